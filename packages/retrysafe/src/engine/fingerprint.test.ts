import { expect, test } from 'vitest'
import { fingerprintOf, fingerprintOfParts, fingerprintVersion } from './fingerprint.js'

/*
 * Fingerprints are kept in stores of every release. A change here would refuse the retry of every key that is alive at
 * the upgrade: it needs another version, and these lines stay for the old one.
 * They were computed by another program from the documented form.
 */
const pinned: readonly [name: string, fingerprint: () => string, expected: string][] = [
  ['null', () => fingerprintOf(null), 'v1:b5vBENb42AFjUeJar2Ibo659SvOLjVpIutaBBRZ0cT8'],
  ['an empty object', () => fingerprintOf({}), 'v1:hb5xF7kb9rDUWX7ydnrHbZZiRicmX-dxiGKbp05wkAE'],
  [
    'an order',
    () => fingerprintOf({ amount: 4200, currency: 'eur', items: [{ sku: 'a', count: 1 }, null, true] }),
    'v1:N-kVT4XyKPitGUzuvRmxFIXHC9CyWP5dNfeOZH-UCFs',
  ],
  [
    'numbers',
    () => fingerprintOf([0, -0, 1.5, 1e21, 1e-7, 0.1, 2 ** 53, 12345678901234567890n]),
    'v1:62dN9B90u6G3nMlh1bt45SRyLtgBeOp_9HaJvsKH9Cc',
  ],
  [
    'texts',
    () => fingerprintOf(['', 'é', '\u{1f600}', '"\\/\b\f\n\r\t\u0000\u001f\u007f\u2028', '\ud800']),
    'v1:jaAKIMw-n2JWoePCesm5ECSNjwcaVlcRCwQG9aEW5oA',
  ],
  ['a date', () => fingerprintOf(new Date(86_400_000)), 'v1:uRBU9vT3vMHsp2FBEnLPHomNC-5Knaug8oaw8wLa7q0'],
  ['bytes', () => fingerprintOf(Uint8Array.of(0, 127, 255)), 'v1:FgxbCB1J57nQ7MYXIjFha73N3kpqaqmZpMSTwO4mVQo'],
  [
    'parts',
    () => fingerprintOfParts('http', 'POST', '/', Uint8Array.of(1)),
    'v1:JqhLxuPgZV6IE7X2W8dv4S6VhSrfKh7ATICf2bUuBNI',
  ],
]

for (const [name, fingerprint, expected] of pinned)
  test(`the fingerprint of ${name} never changes`, () => expect(fingerprint()).toBe(expected))

test('a fingerprint begins with its version and fits every index', () => {
  expect(fingerprintOf({ a: 1 })).toMatch(/^v1:[\w-]{43}$/)
  expect(fingerprintOf({ a: 1 }).startsWith(`${fingerprintVersion}:`)).toBe(true)
})

test('fingerprints of two kinds never agree', () => {
  expect(fingerprintOfParts('a', 'b')).not.toBe(fingerprintOfParts('b', 'b'))
  expect(fingerprintOfParts('value', '1')).toBe(fingerprintOf(1))
})
