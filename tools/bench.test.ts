import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { missing } from '@retrysafe/engines'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { judge } from '../bench/src/aims.js'
import type { Report } from '../bench/src/chart.js'
import { chartSvg } from '../bench/src/chart-svg.js'
import { measure, type Row, type Subject, subject, turningOrder } from '../bench/src/measure.js'
import { tables } from '../bench/src/tables.js'
import { brokerVariable } from './engines/src/broker.js'

const main = fileURLToPath(new URL('../bench/dist/main.js', import.meta.url))

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retrysafe-bench-test-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The engines of the benchmark are its own, not those of this run. */
async function runBench(...args: string[]): Promise<Report> {
  const file = join(folder, 'report.json')
  const env = { ...process.env, [brokerVariable]: undefined }
  await promisify(execFile)(process.execPath, [main, ...args, '--quick', '--json', file], { env })
  return JSON.parse(readFileSync(file, 'utf8'))
}

describe('npm run bench', () => {
  const suites = [
    { suite: 'memory', engine: undefined, store: /^memoryStore$/ },
    { suite: 'sqlite', engine: undefined, store: /^sqliteStore$/ },
    { suite: 'postgres', engine: 'postgres', store: /^postgresStore/ },
    { suite: 'mysql', engine: 'mysql', store: /^mysqlStore/ },
    { suite: 'redis', engine: 'redis', store: /^redisStore/ },
    { suite: 'dynamodb', engine: 'dynamodb', store: /^dynamodbStore$/ },
  ] as const
  for (const { suite, engine, store } of suites)
    test(`${suite} starts and compares the store with the bare engine`, { timeout: 180_000 }, async (context) => {
      const reason = engine === undefined ? undefined : await missing(engine)
      context.skip(reason !== undefined, reason)
      const { machine, rows } = await runBench(suite)
      expect(machine).toMatchObject({ node: process.versions.node, cores: expect.any(Number) })
      for (const does of ['claim + complete', 'replay']) {
        const own = rows.filter((row) => row.suite === `${suite}: ${does}`)
        expect(own.filter(({ subject: name }) => store.test(name)).length).toBeGreaterThan(0)
        expect(own.filter(({ subject: name, baseline }) => name === baseline).length).toBeGreaterThan(0)
      }
      for (const { median, ratio } of rows) expect(Math.min(median, ratio)).toBeGreaterThan(0)
    })

  test('growth compares many keys with few', { timeout: 180_000 }, async (context) => {
    const reason = await missing('postgres')
    context.skip(reason !== undefined, reason)
    const { rows } = await runBench('growth')
    const judged = judge(rows)
    expect(judged.map(({ what }) => what.split(',')[0])).toEqual([
      'growth on postgres: claim + complete',
      'growth on postgres: replay',
      'growth on sqlite: claim + complete',
      'growth on sqlite: replay',
    ])
  })

  test('a suite that is not there is refused by name', { timeout: 60_000 }, async () => {
    await expect(runBench('postgers')).rejects.toThrow('There is no suite postgers')
  })
})

const plan = { suite: 's', callers: [2], rounds: 3, roundMs: 2 }
const nothing = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a wrong answer ends a run: nothing is fast by failing', async () => {
  const wrong = subject('d', 'wrong', ['wrong'], async () => {
    throw new Error('answered with another response')
  })
  await expect(measure({ ...plan, subjects: [wrong] }, () => {})).rejects.toThrow('answered with another response')
})

test('ratios are of the same round: what slows a whole round down changes none', async () => {
  const rates = [0, 10, 1000, 100]
  const constant = (name: string, factor: number): Subject => {
    let round = 0
    const run = async () => ({ perSecond: factor * (rates[round++] ?? 0), count: 1, p50Ms: 1, p99Ms: 1 })
    return { does: 'd', name, baselines: ['slow'], run }
  }
  const rows = await measure({ ...plan, subjects: [constant('slow', 1), constant('fast', 3)] }, () => {})
  expect(rows.map(({ subject: name, ratio, median }) => ({ name, ratio, median }))).toEqual([
    { name: 'slow', ratio: 1, median: 100 },
    { name: 'fast', ratio: 3, median: 300 },
  ])
})

test('every subject has its turn in every round, and not always after the same one', () => {
  for (const count of [1, 2, 5, 7, 16]) {
    const orders = Array.from({ length: 9 }, (_, round) => turningOrder(count, round))
    for (const order of orders) expect([...order].sort((a, b) => a - b)).toEqual([...Array(count).keys()])
    if (count < 5) continue
    for (let one = 0; one < count; one++) {
      const before = new Set(orders.map((order) => order[order.indexOf(one) - 1]))
      expect(before.size).toBeGreaterThan(3)
    }
  }
})

test('a subject is never compared with what was not measured', async () => {
  const alone = subject('d', 'alone', ['absent'], nothing)
  await expect(measure({ ...plan, subjects: [alone] }, () => {})).rejects.toThrow('absent')
})

test('an aim that is missed is said to be missed', () => {
  const row = (ratio: number): Row => ({
    suite: 'postgres: claim + complete',
    subject: 'postgresStore',
    baseline: 'raw prepared statements, pool of 16',
    concurrency: 64,
    median: 1000,
    unit: '/s',
    ratio,
  })
  expect(judge([row(4)])).toMatchObject([{ isMet: true }])
  expect(judge([row(3.99)])).toMatchObject([{ isMet: false, got: '3.99', wanted: 'at least 4' }])
  const { machine } = reportOf([])
  expect(tables({ machine, engines: [], rows: [row(3.99)] })).toContain('| at least 4 | 3.99 | **no** |')
})

function reportOf(rows: readonly Row[]): Report {
  const machine = {
    date: '2026-01-01',
    cpu: 'x'.repeat(48),
    cores: 64,
    memoryGb: 512,
    system: 'Linux',
    node: '20.19.0',
  }
  return { machine, engines: [], rows }
}

test('no label of the chart lies upon another, and none leaves it', () => {
  const subjects = [
    'raw prepared statements, pool of 16',
    '@aws-lambda-powertools/idempotency',
    'postgresStore, coalesce: false',
  ]
  const rows = ['postgres', 'mysql', 'redis', 'sqlite', 'memory'].flatMap((engine) =>
    ['claim + complete', 'replay'].flatMap((does) =>
      subjects.map(
        (name, index): Row => ({
          suite: `${engine}: ${does}`,
          subject: name,
          baseline: subjects[0] ?? '',
          concurrency: 64,
          median: 1_234_567 * (index + 1),
          unit: '/s',
          ratio: 123.4,
        }),
      ),
    ),
  )
  const svg = chartSvg(reportOf(rows))
  const width = Number(/ width="(\d+)"/.exec(svg)?.[1])
  const boxes = [...svg.matchAll(/<text x="(\d+)" y="(\d+)"([^>]*)>([^<]*)</g)].map(
    ([, x, y, attributes = '', words = '']) => {
      const size = Number(/font-size="(\d+)"/.exec(attributes)?.[1] ?? 13)
      // DejaVu Sans is among the widest fonts that a reader may have.
      const length = words.length * size * (attributes.includes('font-weight') ? 0.66 : 0.58)
      const left = attributes.includes('end') ? Number(x) - length : Number(x)
      return { words, left, right: left + length, top: Number(y) - size, bottom: Number(y) }
    },
  )
  expect(boxes.length).toBeGreaterThan(90)
  const outside = boxes.filter(({ left, right }) => left < 0 || right > width)
  const upon = boxes.flatMap((a, index) =>
    boxes
      .slice(index + 1)
      .filter((b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
      .map((b) => `${a.words} / ${b.words}`),
  )
  expect(outside.map(({ words }) => words)).toEqual([])
  expect(upon).toEqual([])
})
