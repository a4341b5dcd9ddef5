import { expect, test } from 'vitest'
import { ask, codeOf, post, proxyTo, upstreamOf } from './bench.js'

test('the same key of two bearers is two keys, and without a credential it is nobody’s', async () => {
  const upstream = await upstreamOf((req, res) => res.end(`of ${req.headers.authorization}`))
  const proxy = await proxyTo(upstream.url, { allowAnonymous: false })
  const of = (token: string) => post(proxy.url, 'same', '{}', { authorization: `Bearer ${token}` })
  expect((await of('alice')).body).toBe('of Bearer alice')
  expect((await of('bob')).body).toBe('of Bearer bob')
  expect(await of('alice')).toMatchObject({ body: 'of Bearer alice', headers: { 'idempotent-replayed': 'true' } })
  expect(codeOf(await post(proxy.url, 'same', '{}'))).toBe('scope_required')
  expect(codeOf(await post(proxy.url, 'same', '{}', { authorization: 'Digest username="a"' }))).toBe('scope_required')
  expect(upstream.count).toBe(2)
})

test('--scope-header and --scope-cookie add to the credentials and never replace them', async () => {
  const upstream = await upstreamOf((_req, res) => res.end(String(upstream.count)))
  const proxy = await proxyTo(upstream.url, {
    allowAnonymous: false,
    scopeHeaders: ['x-tenant'],
    scopeCookie: 'session',
  })
  const bodies: string[] = []
  for (const headers of [
    { authorization: 'Bearer a', 'x-tenant': '1' },
    { authorization: 'Bearer a', 'x-tenant': '2' },
    { authorization: 'Bearer a' },
    { authorization: 'Bearer b', 'x-tenant': '1' },
    { cookie: 'x=1; session=s1', 'x-tenant': '1' },
    { cookie: 'session=s2', 'x-tenant': '1' },
    { cookie: 'session=s1; x=2', 'x-tenant': '1' },
  ])
    bodies.push((await post(proxy.url, 'same', '{}', headers as unknown as Record<string, string>)).body)
  expect(bodies).toEqual(['1', '2', '3', '4', '5', '6', '5'])
  expect(codeOf(await post(proxy.url, 'same', '{}', { 'x-tenant': '1' }))).toBe('scope_required')
  expect(codeOf(await post(proxy.url, 'same', '{}', { cookie: 'other=1' }))).toBe('scope_required')
})

test('--identity-header alone is the scope; missing or doubled it is refused', async () => {
  const upstream = await upstreamOf((_req, res) => res.end(String(upstream.count)))
  const proxy = await proxyTo(upstream.url, { allowAnonymous: false, identityHeader: 'x-user' })
  const of = (headers: Record<string, string | string[]>) =>
    ask(proxy.url, { method: 'POST', headers: { 'idempotency-key': 'same', ...headers } })
  expect((await of({ 'x-user': 'a', authorization: 'Bearer 1' })).body).toBe('1')
  expect((await of({ 'x-user': 'a', authorization: 'Bearer refreshed' })).body).toBe('1')
  expect((await of({ 'x-user': 'b' })).body).toBe('2')
  expect((await of({ 'x-user': `long ${'x'.repeat(300)}` })).body).toBe('3')
  expect((await of({ 'x-user': `long ${'x'.repeat(301)}` })).body).toBe('4')
  for (const headers of [{ authorization: 'Bearer 1' }, { 'x-user': ' ' }, { 'x-user': ['a', 'b'] }])
    expect(codeOf(await of(headers as Record<string, string | string[]>))).toBe('scope_required')
})

test('the names of headers that make the scope may be given in any case', async () => {
  const upstream = await upstreamOf((_req, res) => res.end(String(upstream.count)))
  const tenants = await proxyTo(upstream.url, { scopeHeaders: ['X-Tenant'] })
  expect((await post(tenants.url, 'same', '{}', { 'x-tenant': '1' })).body).toBe('1')
  expect((await post(tenants.url, 'same', '{}', { 'x-tenant': '2' })).body).toBe('2')
  const users = await proxyTo(upstream.url, { allowAnonymous: false, identityHeader: 'X-User' })
  expect((await post(users.url, 'same', '{}', { 'x-user': 'a' })).body).toBe('3')
})
