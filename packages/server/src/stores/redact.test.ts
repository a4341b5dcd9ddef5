import { expect, test } from 'vitest'
import { keepSecret, redact } from './redact.js'

const password = 'pä@s/s:w?o#r%d&"\'$(x)\\ *+[é]'

test('a password that was kept is found in every spelling that a driver could use', () => {
  keepSecret(password)
  for (const spelling of [
    password,
    encodeURIComponent(password),
    encodeURIComponent(password).toLowerCase(),
    encodeURI(password),
    JSON.stringify(password),
    `{"args":["user",${JSON.stringify(password)}]}`,
  ]) {
    const shown = redact(`password authentication failed: ${spelling}.`)
    expect(shown).toContain('authentication failed')
    expect(shown).not.toContain('s:w?o')
    expect(shown).not.toContain('w%3Fo')
    expect(shown).not.toContain('w%3fo')
    expect(shown).not.toContain(spelling)
  }
})

test.each([
  ['connect to postgres://u:zebra9@h/d failed', 'connect to postgres://…@h/d failed'],
  ['connect to "redis://:ze@b/ra9@h"', 'connect to "redis://…@h"'],
  ['host=h password=zebra9 user=u', 'host=h password=… user=u'],
  ['{"password":"zebra9 ra9","port":1}', '{"password":…,"port":1}'],
  ["pwd = 'zebra9'", 'pwd = …'],
])('%s is shown without what nobody told was secret', (text, shown) => {
  expect(redact(text)).toBe(shown)
})

test('what is no password is left as it is', () => {
  keepSecret('app')
  for (const text of [
    'The token is wrong: lease_lost',
    'PostgreSQL table "retrysafe_records" is not there: call migrate() once.',
    'This cannot happen here',
    "Access denied for user 'x'@'localhost' (using password: YES)",
  ])
    expect(redact(text)).toBe(text)
  expect(redact('denied to app, as "app"')).toBe('denied to …, as "…"')
})
