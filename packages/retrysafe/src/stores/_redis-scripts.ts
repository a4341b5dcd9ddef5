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

const now = `local t=redis.call('TIME') local now=t[1]*1000+math.floor(t[2]/1000) local out={} local size=0`

/**
 * Tells who waits for a key that it has changed, and nobody where nobody waits. How: nothing, p for pub/sub, s for
 * sharded pub/sub, where who listens is known to the node that has the key.
 */
const wake = `local function wake(how,k)
if how=='p' and redis.call('PUBSUB','NUMSUB',k)[2]>0 then redis.call('PUBLISH',k,'')
elseif how=='s' and redis.call('PUBSUB','SHARDNUMSUB',k)[2]>0 then redis.call('SPUBLISH',k,'') end end`

/** ARGV: leaseMs, retentionMs, r or u, then a head for each key. Answers false for a fresh claim, else the record. */
export const beginScript: Script = {
  text: `${now}
local till=now+ARGV[1] local over='' local last
if ARGV[3]=='r' then over=till+ARGV[2] last=over-1 end
local rest=now..'\\t'..ARGV[1]..'\\t'..ARGV[3]..'\\t0\\t0\\n'..over..'\\t'..now..'\\t'..till..'\\t'..ARGV[2]..'\\n\\n'
for i,k in ipairs(KEYS) do
if size>${replyBytes} then out[i]={} else
local v=redis.pcall('GET',k)
if v==false then
if last then redis.call('SET',k,ARGV[i+3]..rest,'PXAT',last) else redis.call('SET',k,ARGV[i+3]..rest) end
out[i]=false
elseif type(v)=='table' then out[i]={v.err} else out[i]=v size=size+#v end
end end
out[#KEYS+1]=now return out`,
}

/** Answers the record of each key, false where there is none. */
export const readScript: Script = {
  text: `${now}
for i,k in ipairs(KEYS) do
if size>${replyBytes} then out[i]={} else
local v=redis.pcall('GET',k)
if type(v)=='table' then out[i]={v.err} else out[i]=v if v then size=size+#v end end
end end
out[#KEYS+1]=now return out`,
}

/** ARGV: retentionMs or nothing, how to wake, then the claim's head and the tail for each key. Answers 1 where it completed it. */
export const completeScript: Script = {
  text: `${now}
${wake}
local times local last
if ARGV[1]~='' then last=now+ARGV[1]-1 times=(now+ARGV[1])..'\\t'..now..'\\t'..now..'\\t'..ARGV[1]..'\\n' end
for i,k in ipairs(KEYS) do
local v=redis.pcall('GET',k) local h=ARGV[i*2+1] out[i]=0
if type(v)=='string' and string.sub(v,1,#h)==h then
local a=string.find(v,'\\n',#h,true)
local over=a and string.match(v,'^%d*',a+1)
if over and (over=='' or now<tonumber(over)) then
local w,p=times,last
if not w then
local r=string.match(v,'^%d*\\t%d+\\t%d*\\t(%d+)\\n',a+1)
if r then p=now+r-1 w=(now+r)..'\\t'..now..'\\t'..now..'\\t'..r..'\\n' end
end
if w then redis.call('SET',k,'1c'..string.sub(v,3,a)..w..ARGV[i*2+2],'PXAT',p) wake(ARGV[2],k) out[i]=1 end
end end end
return out`,
}

/**
 * ARGV: leaseMs or nothing, then the claim's head, checkpoint number or nothing, and checkpoint or nothing for each key.
 * Answers 1 where it renewed it.
 */
export const renewScript: Script = {
  text: `${now}
for i,k in ipairs(KEYS) do
local v=redis.pcall('GET',k) local h=ARGV[i*3-1] local number=ARGV[i*3] local body=ARGV[i*3+1] out[i]=0
if type(v)=='string' and string.sub(v,1,#h)==h then
local front,lease,crash,n,withheld,over,r,b=string.match(v,
'^([^\\t]*\\t%d+\\t%d+\\t)(%d+)\\t([ru])\\t(%d+)\\t([01])\\n(%d*)\\t%d+\\t%d*\\t(%d+)\\n\\n()',#h+1)
if front and (over=='' or now<tonumber(over)) then
local fits=true
if body=='' then body=string.sub(v,b)
elseif withheld=='1' then fits=false
elseif number=='' then n=string.format('%.0f',n+1)
elseif tonumber(number)>tonumber(n) then n=number else fits=false end
if fits then
local till=now+(ARGV[1]=='' and lease or ARGV[1])
local head=h..front..lease..'\\t'..crash..'\\t'..n..'\\t'..withheld..'\\n'
local times='\\t'..now..'\\t'..till..'\\t'..r..'\\n\\n'
if crash=='r' then redis.call('SET',k,head..(till+r)..times..body,'PXAT',till+r-1)
else redis.call('SET',k,head..times..body) end
out[i]=1
end end end end
return out`,
}

/** ARGV: how to wake, then the claim's head for each key. Answers 1 where it removed a claim that leaves nothing behind. */
export const releaseScript: Script = {
  text: `${now}
${wake}
for i,k in ipairs(KEYS) do
local v=redis.pcall('GET',k) local h=ARGV[i+1] out[i]=0
if type(v)=='string' and string.sub(v,1,#h)==h then
local over=string.match(v,'^[^\\t]*\\t%d+\\t%d+\\t%d+\\tr\\t%d+\\t[01]\\n(%d*)\\t%d+\\t%d*\\t%d+\\n\\n$',#h+1)
if over and (over=='' or now<tonumber(over)) then redis.call('DEL',k) wake(ARGV[1],k) out[i]=1 end
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
