import { expect, test } from 'vitest'
import { storeUrl } from './store-url.js'

/** Everything that means something in a URL, in a shell, in a regular expression or in JSON. */
const password = 'p@s/s:w?o#r%d&"\'$(x)\\ *+[é]'
const encoded = encodeURIComponent(password)

test.each<[string, object]>([
  ['memory:', { kind: 'memory' }],
  ['sqlite:a/b.db', { kind: 'sqlite', path: 'a/b.db' }],
  ['postgres://h/d', { kind: 'postgres', pool: 10, schema: undefined, table: undefined }],
  ['postgresql://h:1/d?schema=s&table=t&pool=3', { kind: 'postgres', pool: 3, schema: 's', table: 't' }],
  [
    'postgres://u:p@h:1/d?schema=s&sslmode=require',
    { connectionString: 'postgres://u:p@h:1/d?sslmode=require&application_name=retrysafe' },
  ],
  ['postgres://u@/d?host=/run', { connectionString: 'postgres://u:@/d?host=%2Frun&application_name=retrysafe' }],
  ['postgres://[::1]:5432/d', { connectionString: 'postgres://[::1]:5432/d?application_name=retrysafe' }],
  ['mysql://h/d', { kind: 'mysql', at: { host: 'h', port: undefined }, database: 'd', user: '', tls: false }],
  [
    `mariadb://u:${encoded}@h:3307/d?table=t&tls=true&pool=2`,
    { at: { host: 'h', port: 3307 }, user: 'u', password, table: 't', tls: true, pool: 2 },
  ],
  ['redis://h', { kind: 'redis', mode: 'single', database: 0, tls: false, password: '' }],
  [`rediss://:${encoded}@h/3?prefix=a:`, { tls: true, password, database: 3, prefix: 'a:', user: '' }],
  [
    'redis://a:1,b?cluster=true',
    {
      mode: 'cluster',
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: undefined },
      ],
    },
  ],
  ['redis://a,b,[::1]:3?sentinel=main', { mode: 'sentinel', master: 'main' }],
  ['dynamodb:keys', { kind: 'dynamodb', table: 'keys', region: undefined, endpoint: undefined }],
  [
    'dynamodb:keys?region=eu-central-1&endpoint=http://localhost:8000&maxClockSkew=2s',
    { region: 'eu-central-1', endpoint: 'http://localhost:8000', maxClockSkewMs: 2000 },
  ],
])('%s is understood', (text, store) => {
  expect(storeUrl(text, '--store')).toMatchObject(store)
})

test.each<[string, string]>([
  ['', 'write memory:, sqlite:PATH, postgres://HOST/DATABASE'],
  ['mongodb://h/d', 'write memory:, sqlite:PATH'],
  ['https://h', 'not in this version'],
  ['postgres:h', 'is not a URL of a store'],
  ['postgres://', 'has no host: write postgres://'],
  ['postgres://h:0/d', 'has a host that is none'],
  ['postgres://h:port/d', 'has a host that is none'],
  ['postgres://a,b/d', 'has several hosts, which postgres does not take'],
  ['postgres://h/d?shema=x', 'is not known here: "shema". Known are schema, table, pool, listen, sslmode'],
  ['postgres://h/d?password=x', 'is not known here: "password"'],
  ['postgres://h/d?schema=', 'has an empty schema'],
  ['postgres://h/d?pool=0', 'pool is "0": write a whole number from 1 to 1000'],
  ['postgres://h/d?pool=1&pool=2', 'has the parameter "pool" twice'],
  ['postgres://u:100%@h/d', 'write a percent sign as %25'],
  ['mysql://h', 'no database: write mysql://'],
  ['mysql://h/d?tls=yes', 'write tls=true or tls=false'],
  ['mysql://h/d?sslmode=require', '"sslmode". Known are table, pool, tls'],
  ['redis://', 'has no host'],
  ['redis://a,b', 'add ?cluster=true for nodes of a cluster'],
  ['redis://h/name', 'has a path that is no database'],
  ['redis://h/1?cluster=true', 'only the database 0'],
  ['redis://h?cluster=true&sentinel=x', 'a Redis is one of them'],
  ['dynamodb:', 'names no table'],
  ['dynamodb://t', 'names no table'],
  ['dynamodb:keys?endpoint=localhost', 'has an endpoint that is none'],
  ['dynamodb:keys?endpoint=http://u:hunter2@h', 'has an endpoint that is none'],
  ['dynamodb:keys?region=a b', 'has a region that is none'],
  ['dynamodb:keys?maxClockSkew=2', 'such as 500ms'],
  ['dynamodb:keys?maxClockSkew=2m', 'a duration from 0ms to 1m'],
])('%j is refused, with what would do', (text, advice) => {
  expect(() => storeUrl(text, '--store')).toThrow(advice)
  expect(() => storeUrl(text, '--store')).toThrow('--store')
})

test.each([
  'postgres://u:hunter2@/d?',
  'postgres://u:hunter2@h/d?shema=hunter2',
  'postgres://u:hunter2@h:x/d',
  'postgres://u:hunter2',
  'postgres://u:hunter2/@h/d',
  'postgres://u:12/hunter2@h/d',
  'postgres://u:1?hunter2@h/d',
  'postgres://u:1#hunter2@h/d',
  'postgres://u:1 hunter2@h/d',
  'postgres://u:hunter2%@h/d',
  'mongodb://u:hunter2@h/d',
  'sqlite://u:hunter2@h',
  'https://u:hunter2@h',
  'redis://u:hunter2@a,b',
  'hunter2@h',
  '//u:hunter2@h',
])('no error repeats the password of %j', (text) => {
  let message = ''
  try {
    storeUrl(text, '--store')
  } catch (error) {
    message = JSON.stringify([String(error), (error as Error).stack, (error as Error).cause])
  }
  expect(message).toContain('--store')
  expect(message).not.toContain('hunter2')
})

test.each([
  [`postgres://user:${encoded}@h:1/d?schema=s`, 'postgres://…@h:1/d?schema=s'],
  [`postgres://${encoded}@h/d`, 'postgres://…@h/d'],
  [`redis://:${encoded}@a:1,b?cluster=true`, 'redis://…@a:1,b?cluster=true'],
  ['mysql://h/d?table=t', 'mysql://h/d?table=t'],
])('%s is shown as %s', (text, shown) => {
  expect(storeUrl(text, '--store').text).toBe(shown)
})
