import { expect, test } from 'vitest'
import { storeUrl } from '../stores/store-url.js'
import { duration, headerName, originValue, size, statuses, upstreamUrl, yesOrNo } from './values.js'

test.each([
  ['64KiB', 65_536],
  ['10MiB', 10_485_760],
  ['1GiB', 1_073_741_824],
  ['1.5 KiB', 1536],
  ['10mb', 10_000_000],
  ['512B', 512],
  ['0', 0],
])('%s is %i bytes', (text, bytes) => {
  expect(size(0, 2 ** 31, '')(text, '--x')).toBe(bytes)
})

test.each(['', '10', '10M', '-1KiB', '1e3B', '0.3B', 'KiB'])('%j is no size', (text) => {
  expect(() => size(0, 2 ** 31, '')(text, '--x')).toThrow('--x is ')
})

test('limits are inclusive', () => {
  const read = duration(100, 1000, 'from 100ms to 1s')
  expect([read('100ms', '--x'), read('1s', '--x')]).toEqual([100, 1000])
  expect(() => read('99ms', '--x')).toThrow('from 100ms to 1s')
  expect(() => read('1001ms', '--x')).toThrow('from 100ms to 1s')
})

test.each([
  ['TRUE', true],
  ['1', true],
  ['on', true],
  ['no', false],
  ['0', false],
])('a switch of the environment that says %s is %s', (text, value) => {
  expect(yesOrNo(text, 'X')).toBe(value)
})

test.each(['', 'truthy', '2'])('a switch of the environment that says %j is refused', (text) => {
  expect(() => yesOrNo(text, 'X')).toThrow('true or false')
})

test.each(['ftp://x', 'x', 'http://', 'http://u@h', 'http://h?q', 'http://h#f'])('%s is no upstream', (text) => {
  expect(() => upstreamUrl(text, '--upstream')).toThrow('--upstream is ')
})

test('header names are compared in lower case, origins and statuses as they are written', () => {
  expect(headerName('X-Tenant', '--x')).toBe('x-tenant')
  expect(originValue('https://a.example:8443', '--x')).toBe('https://a.example:8443')
  expect(originValue('*', '--x')).toBe('*')
  expect(statuses('401, 503', '--x')).toEqual([401, 503])
  for (const bad of ['https://a.example/x', 'https://A.example', 'null', 'a.example'])
    expect(() => originValue(bad, '--x')).toThrow()
  for (const bad of ['200', '600', '', '401;403']) expect(() => statuses(bad, '--x')).toThrow()
})

test.each([
  ['sqlite:a/b.db', 'a/b.db'],
  ['sqlite:/a/b.db', '/a/b.db'],
  ['SQLite:./x', './x'],
])('%s is a file', (text, path) => {
  expect(storeUrl(text, '--store')).toMatchObject({ kind: 'sqlite', path })
})

test.each(['sqlite:', 'sqlite::memory:', 'sqlite://x', 'memory:x', 'x.db', ''])('%j is no store', (text) => {
  expect(() => storeUrl(text, '--store')).toThrow('--store is ')
})

test('no password of a store URL is repeated', () => {
  for (const text of ['postgres://u:hidden@h/d', 'mongodb://u:hidden@h/d', 'sqlite://u:hidden@h'])
    try {
      storeUrl(text, '--store')
      expect.unreachable()
    } catch (error) {
      expect(String(error)).not.toContain('hidden')
    }
})
