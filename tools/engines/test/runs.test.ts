import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { missing } from '@retrysafe/engines'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

/** Engines take seconds to start, and many more where other tests have the machine. */
const startsMs = 120_000

/*
 * Runs in processes of their own, which this one ends in every way there is. They have a temporary folder of their own,
 * so that what they leave there is theirs. They run what has been built, as every program but the tests does.
 */

const program = fileURLToPath(new URL('run-child.mjs', import.meta.url))
const noBroker = { RETRYSAFE_TEST_ENGINES: undefined, CI: undefined }

let folder: string
let children: ChildProcess[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retrysafe-runs-'))
  chmodSync(folder, 0o755)
  children = []
})

afterEach(() => {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

interface Run {
  readonly child: ChildProcess
  readonly ended: Promise<{ code: number | null; signal: string | null }>
  output(): string
}

function start(args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): Run {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...noBroker, TMPDIR: folder, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  children.push(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  )
  return { child, ended, output: () => output }
}

/** Where Linux lists the segments of System V shared memory. */
const segmentList = '/proc/sysvipc/shm'

/** The segments of each PostgreSQL of the run, which the killed one cannot remove itself. */
function sharedMemory(): string[] {
  const folders = readdirSync(folder).flatMap((run) =>
    readdirSync(join(folder, run)).map((one) => join(folder, run, one)),
  )
  const locks = folders.map((one) => join(one, 'data', 'postmaster.pid')).filter((lock) => existsSync(lock))
  return locks.map((lock) => readFileSync(lock, 'utf8').split('\n')[6]?.trim().split(/\s+/)[1] ?? '')
}

function isThere(segment: string): boolean {
  return readFileSync(segmentList, 'utf8')
    .split('\n')
    .some((line) => line.trim().split(/\s+/)[1] === segment)
}

interface Said {
  readonly addresses: (string | null)[]
  readonly reasons: (string | null)[]
}

async function said(run: Run): Promise<Said> {
  await until(() => /^\{.*\}$/m.test(run.output()) || run.child.exitCode !== null, run.output)
  const line = run.output().match(/^\{.*\}$/m)?.[0]
  if (line === undefined) throw new Error(`the run has ended: ${run.output()}`)
  return JSON.parse(line) as Said
}

async function until(isSo: () => boolean | Promise<boolean>, otherwise: () => string): Promise<void> {
  for (const end = Date.now() + 100_000; !(await isSo()); await sleep(20)) {
    if (Date.now() > end) throw new Error(`it did not come to that: ${otherwise()}`)
  }
}

function listens(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** What is left: folders, and ports that are still listened on. */
async function left(addresses: readonly (string | null)[]): Promise<string[]> {
  const listening: string[] = []
  for (const url of addresses) if (url !== null && (await listens(url))) listening.push(url)
  return [...readdirSync(folder), ...listening]
}

const nothing = async (addresses: readonly (string | null)[]): Promise<void> => {
  let rest: string[] = []
  await until(
    async () => {
      rest = await left(addresses)
      return rest.length === 0
    },
    () => `left: ${rest.join(', ')}`,
  )
}

describe('a run leaves nothing behind', { timeout: startsMs }, () => {
  const engines = ['postgres', 'redis', 'dynamodb', 'killed']
  let reason: string | undefined

  beforeEach(async (context) => {
    reason = (await missing('postgres')) ?? (await missing('redis'))
    context.skip(reason !== undefined, reason)
  })

  test('when it has stopped its engines', async () => {
    const run = start(['wait', ...engines])
    const { addresses } = await said(run)
    const segments = sharedMemory()
    expect(segments).toHaveLength(2)
    run.child.stdin?.end()
    expect(addresses.filter((url) => url !== null)).toHaveLength(engines.length)
    expect(await run.ended).toEqual({ code: 0, signal: null })
    // It waited for that itself, so that nothing has to be waited for now.
    expect(await left(addresses)).toEqual([])
    if (existsSync(segmentList)) expect(segments.filter(isThere)).toEqual([])
  })

  test('when it ends by itself without stopping them, which they do not keep it from', async () => {
    const run = start(['leave', 'redis', 'dynamodb'])
    const { addresses } = await said(run)
    expect(await run.ended).toEqual({ code: 0, signal: null })
    await nothing(addresses)
  })

  test('when it is killed', async () => {
    const run = start(['wait', ...engines])
    const { addresses } = await said(run)
    expect(await left(addresses)).toHaveLength(1 + engines.length - 1)
    run.child.kill('SIGKILL')
    expect(await run.ended).toEqual({ code: null, signal: 'SIGKILL' })
    await nothing(addresses)
  })

  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    test(`when its whole process group gets ${signal}, as by a terminal`, async () => {
      const run = start(['wait', 'redis'])
      const { addresses } = await said(run)
      process.kill(-(run.child.pid ?? 0), signal)
      expect(await run.ended).toEqual({ code: null, signal })
      await nothing(addresses)
    })

  test('when it is killed while an engine is being prepared', async () => {
    const run = start(['wait', 'postgres'])
    const prepares = (): boolean =>
      readdirSync(folder).some((run) =>
        readdirSync(join(folder, run)).some((one) => existsSync(join(folder, run, one, 'data'))),
      )
    await until(prepares, run.output)
    run.child.kill('SIGKILL')
    await run.ended
    expect(run.output()).not.toContain('addresses')
    await nothing([])
  })
})

describe('a missing engine', { timeout: startsMs }, () => {
  const without = { RETRYSAFE_TEST_WITHOUT: 'redis' }

  test('is no failure outside CI, and is named aloud with the reason', async () => {
    const run = start(['stop', 'redis'], without)
    const { addresses, reasons } = await said(run)
    expect(await run.ended).toEqual({ code: 0, signal: null })
    expect(addresses).toEqual([null])
    expect(reasons).toEqual(['redis is missing: RETRYSAFE_TEST_WITHOUT names it'])
    expect(run.output().match(/NOT RUN, for want of redis: RETRYSAFE_TEST_WITHOUT names it/g)).toHaveLength(1)
  })

  test('fails the run in CI', async () => {
    const run = start(['stop', 'redis'], { ...without, CI: 'true' })
    expect(await run.ended).toEqual({ code: 1, signal: null })
    expect(run.output()).toContain('redis is missing, which fails a run with CI=true')
  })
})

test('an address that is given is used, and nothing is started', async () => {
  const url = 'redis://redis.example:6379'
  const run = start(['stop', 'redis'], { RETRYSAFE_TEST_REDIS_URL: url })
  expect(await said(run)).toEqual({ addresses: [url], reasons: [null] })
  expect(await run.ended).toEqual({ code: 0, signal: null })
})
