/*
 * The scripts. Each serves any number of keys, so that calls which are made at the same moment share one; in a Cluster
 * it is given one key. The server's own clock is read inside. Redis ends a record by itself: the key's TTL ends with
 * `expiresAt`, to the millisecond (a key is there up to and including the instant that PXAT names, hence `- 1`).
 *
 * What a script cannot decide by a comparison it leaves as it is and says so, and the rules decide by compare-and-swap.
 */

export interface Script {
  readonly text: string
}

/** Values of more bytes together than this are not put into one reply: what is over the bound is asked for again. */
const replyBytes = 1_048_576

/** Locals are found faster than globals, which counts for every key. */
const now = `local call,pcall,sub,K,A=redis.call,redis.pcall,string.sub,KEYS,ARGV
local t=call('TIME') local now=t[1]*1000+math.floor(t[2]/1000) local out={} local size=0`

/**
 * Tells who waits for a key that it has changed, and nobody where nobody waits. How: nothing, p for pub/sub, s for
 * sharded pub/sub, where who listens is known to the node that has the key. What was changed stands by then: a server
 * that does not know how, or does not allow it, must fail neither this key nor the next, and whoever waits polls.
 */
const wake = `local function wake(how,k)
if how=='' then return end
local asks,tells='NUMSUB','PUBLISH' if how=='s' then asks,tells='SHARDNUMSUB','SPUBLISH' end
local n=redis.pcall('PUBSUB',asks,k)
if not n.err and n[2]>0 then redis.pcall(tells,k,'') end end`

/** ARGV: leaseMs, retentionMs, r or u, then a head for each key. Answers false for a fresh claim, else the record. */
export const beginScript: Script = {
  text: `${now}
local till=now+A[1] local over='' local last
if A[3]=='r' then over=till+A[2] last=(over-1)..'' end
local rest=now..'\\t'..A[1]..'\\t'..A[3]..'\\t0\\t0\\n'..over..'\\t'..now..'\\t'..till..'\\t'..A[2]..'\\n\\n'
for i,k in ipairs(K) do
if size>${replyBytes} then out[i]={} else
local v=pcall('GET',k)
if v==false then
if last then call('SET',k,A[i+3]..rest,'PXAT',last) else call('SET',k,A[i+3]..rest) end
out[i]=false
elseif type(v)=='table' then out[i]={v.err} else out[i]=v size=size+#v end
end end
out[#K+1]=now return out`,
}

/** Answers the record of each key, false where there is none. */
export const readScript: Script = {
  text: `${now}
for i,k in ipairs(K) do
if size>${replyBytes} then out[i]={} else
local v=pcall('GET',k)
if type(v)=='table' then out[i]={v.err} else out[i]=v if v then size=size+#v end end
end end
out[#K+1]=now return out`,
}

/** The first three lines of a record: a token, a fingerprint and a kind of up to 765 bytes each, and some numbers. */
const leanBytes = 4096

/** Answers the record of each key up to its response or checkpoint, which may have megabytes; false where there is none. */
export const leanScript: Script = {
  text: `${now}
for i,k in ipairs(K) do
local v=pcall('GETRANGE',k,0,${leanBytes - 1})
if v=='' then v=pcall('GET',k) end
if type(v)=='table' then out[i]={v.err} else out[i]=v and (string.match(v,'^[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n') or v) end
end
out[#K+1]=now return out`,
}

/** Instants have 13 digits until the year 2286, and compare as text. ARGV: retentionMs or nothing, how to wake, then the claim's head and the tail for each key. Answers 1 where it completed it. */
export const completeScript: Script = {
  text: `${now}
${wake}
local find,byte,nows,how=string.find,string.byte,now..'',A[2] local times local last
if A[1]~='' then last=(now+A[1]-1)..'' times=(now+A[1])..'\\t'..now..'\\t'..now..'\\t'..A[1]..'\\n' end
for i,k in ipairs(K) do
local v=pcall('GET',k) local h=A[i*2+1] out[i]=0
if type(v)=='string' and sub(v,1,#h)==h then
local a=find(v,'\\n',#h,true)
if a and (byte(v,a+1)==9 or sub(v,a+1,a+13)>nows) then
local w,p=times,last
if not w then
local r=string.match(v,'^%d*\\t%d+\\t%d*\\t(%d+)\\n',a+1)
if r then p=now+r-1 w=(now+r)..'\\t'..now..'\\t'..now..'\\t'..r..'\\n' end
end
if w then call('SET',k,'1c'..sub(v,3,a)..w..A[i*2+2],'PXAT',p) wake(how,k) out[i]=1 end
end end end
return out`,
}

/**
 * ARGV: leaseMs or nothing, then the claim's head, checkpoint number or nothing, and checkpoint or nothing for each key.
 * Answers 1 where it renewed it.
 */
export const renewScript: Script = {
  text: `${now}
for i,k in ipairs(K) do
local v=pcall('GET',k) local h=A[i*3-1] local number=A[i*3] local body=A[i*3+1] out[i]=0
if type(v)=='string' and sub(v,1,#h)==h then
local front,lease,crash,n,withheld,over,r,b=string.match(v,
'^([^\\t]*\\t%d+\\t%d+\\t)(%d+)\\t([ru])\\t(%d+)\\t([01])\\n(%d*)\\t%d+\\t%d*\\t(%d+)\\n\\n()',#h+1)
if front and (over=='' or now<tonumber(over)) then
local fits=true
if body=='' then body=sub(v,b)
elseif withheld=='1' then fits=false
elseif number=='' then n=string.format('%.0f',n+1)
elseif tonumber(number)>tonumber(n) then n=number else fits=false end
if fits then
local till=now+(A[1]=='' and lease or A[1])
local head=h..front..lease..'\\t'..crash..'\\t'..n..'\\t'..withheld..'\\n'
local times='\\t'..now..'\\t'..till..'\\t'..r..'\\n\\n'
if crash=='r' then call('SET',k,head..(till+r)..times..body,'PXAT',till+r-1)
else call('SET',k,head..times..body) end
out[i]=1
end end end end
return out`,
}

/** ARGV: how to wake, then the claim's head for each key. Answers 1 where it removed a claim that leaves nothing behind. */
export const releaseScript: Script = {
  text: `${now}
${wake}
for i,k in ipairs(K) do
local v=pcall('GET',k) local h=A[i+1] out[i]=0
if type(v)=='string' and sub(v,1,#h)==h then
local over=string.match(v,'^[^\\t]*\\t%d+\\t%d+\\t%d+\\tr\\t%d+\\t[01]\\n(%d*)\\t%d+\\t%d*\\t%d+\\n\\n$',#h+1)
if over and (over=='' or now<tonumber(over)) then call('DEL',k) wake(A[1],k) out[i]=1 end
end end
return out`,
}

/** ARGV: what was seen, what is to stand there, the TTL's end or nothing, how to wake. Answers 1 where it was still so. */
export const swapScript: Script = {
  text: `${wake}
if (redis.call('GET',KEYS[1]) or '')~=ARGV[1] then return {0} end
if ARGV[2]=='' then redis.call('DEL',KEYS[1])
elseif ARGV[3]=='' then redis.call('SET',KEYS[1],ARGV[2])
else redis.call('SET',KEYS[1],ARGV[2],'PXAT',ARGV[3]) end
wake(ARGV[4],KEYS[1]) return {1}`,
}

/** Answers the key as it stands in the server. */
export const nameScript: Script = { text: 'return KEYS[1]' }
