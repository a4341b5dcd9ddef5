/* What the stores aim at, and whether a run has shown it. */
import type { Row } from './measure.js'
import { number } from './print.js'
import { claiming, replaying } from './store-subjects.js'

/** A row that a run must have and the least that its ratio is to be. */
interface Aim {
  readonly suite: string
  readonly subject: string
  readonly baseline: string
  readonly callers: number
  readonly atLeast: number
}

/** An aim with what a run came to. */
export interface Judged {
  readonly what: string
  readonly wanted: string
  readonly got: string
  readonly isMet: boolean
}

const rawPool = 'raw prepared statements, pool of 16'
const peers = ['@node-idempotency/core', '@aws-lambda-powertools/idempotency']
const onRedis = ['ioredis', 'node-redis', 'node-redis 4'].map((client) => ({
  client,
  subject: `redisStore, ${client}`,
}))

const aims: readonly Aim[] = [
  { suite: `postgres: ${claiming}`, subject: 'postgresStore', baseline: rawPool, callers: 64, atLeast: 4 },
  { suite: `postgres: ${claiming}`, subject: 'postgresStore', baseline: rawPool, callers: 1, atLeast: 0.9 },
  { suite: `mysql: ${claiming}`, subject: 'mysqlStore', baseline: rawPool, callers: 64, atLeast: 2 },
  ...onRedis.map(({ client, subject }) => {
    const baseline = `raw commands, ${client}`
    return { suite: `redis: ${claiming}`, subject, baseline, callers: 64, atLeast: 0.85 }
  }),
  ...[claiming, replaying].flatMap((does) =>
    onRedis.flatMap(({ subject }) =>
      peers.map((baseline) => ({ suite: `redis: ${does}`, subject, baseline, callers: 64, atLeast: 1 })),
    ),
  ),
  ...[
    { engine: 'postgres', subject: 'postgresStore' },
    { engine: 'mysql', subject: 'mysqlStore' },
    { engine: 'sqlite', subject: 'sqliteStore' },
    ...onRedis.map(({ subject }) => ({ engine: 'redis', subject })),
  ].map(({ engine, subject }) => {
    const baseline = `${claiming}: ${subject}`
    return { suite: `${engine}: ${replaying}`, subject, baseline, callers: 64, atLeast: 2 }
  }),
]

/** A row read by hand, to be compared with and not judged. */
export const selecting = 'bare SELECT'

/** The most that a call may cost with many keys, as a multiple of what it costs with few. */
export const allowedGrowth = 1.5

/** Only what the run has measured is judged. */
export function judge(rows: readonly Row[]): Judged[] {
  const judged = aims.flatMap((aim) => {
    const row = rows.find(
      ({ suite, subject, baseline, concurrency }) =>
        suite === aim.suite && subject === aim.subject && baseline === aim.baseline && concurrency === aim.callers,
    )
    if (row === undefined) return []
    const callers = aim.callers === 1 ? '1 caller' : `${aim.callers} callers`
    return {
      what: `${row.suite}, ${callers}: ${row.subject} against ${row.baseline}`,
      wanted: `at least ${aim.atLeast}`,
      got: number(row.ratio, 2),
      isMet: row.ratio >= aim.atLeast,
    }
  })
  return [...judged, ...judgeGrowth(rows)]
}

function judgeGrowth(rows: readonly Row[]): Judged[] {
  return rows
    .filter(
      ({ suite, subject, baseline }) =>
        suite.startsWith('growth') && !suite.endsWith(selecting) && subject !== baseline,
    )
    .map(({ suite, subject, baseline, concurrency, ratio }) => ({
      what: `${suite}, ${concurrency} callers: cost with ${subject} against ${baseline}`,
      wanted: `at most ${allowedGrowth}`,
      got: number(1 / ratio, 2),
      isMet: 1 / ratio <= allowedGrowth,
    }))
}
