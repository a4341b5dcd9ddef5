import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sqliteStore } from '../../../src/stores/sqlite.js'
import { compileInto } from '../compiled.js'

const program = 'test/stores/sqlite/process-child.js'
const isRoot = process.getuid?.() === 0
const folder = mkdtempSync(join(tmpdir(), 'retrysafe-processes-'))
// A child without privileges goes through here.
chmodSync(folder, 0o755)
const mounts: string[] = []
/** Those that still run: a failed test leaves none behind. */
const children = new Set<ChildProcess>()

beforeAll(() => {
  compileInto(folder, ['test/stores/sqlite/process-child.ts'])
})
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  for (const mount of mounts) execFileSync('umount', ['-l', mount])
  rmSync(folder, { recursive: true, force: true })
})

test('several processes that make the file at the same time all get it', async () => {
  const path = join(folder, 'made.db')
  const ends = await Promise.all(Array.from({ length: 10 }, () => run('race', path, ['1'])))
  expect(ends.map(({ lines }) => lines.length)).toEqual(Array.from({ length: 10 }, () => 1))
  expect(ends.flatMap(({ lines }) => lines).filter((line) => line.startsWith('new '))).toEqual(['new race-0'])
})

test('of several processes that race for a key exactly one wins it', async () => {
  const path = join(folder, 'race.db')
  const count = 500
  const ends = await Promise.all(Array.from({ length: 4 }, () => run('race', path, [String(count)])))
  const lines = ends.flatMap((end) => end.lines)
  expect(lines.filter((line) => !/^(new|in_progress|completed) race-\d+$/.test(line))).toEqual([])
  expect(lines.length).toBe(4 * count)
  const won = lines.filter((line) => line.startsWith('new ')).sort()
  expect(won).toEqual(Array.from({ length: count }, (_, index) => `new race-${index}`).sort())
})

test('a process that is killed in the middle of its batches loses no response that was acknowledged', async () => {
  const path = join(folder, 'killed.db')
  for (let round = 1; round <= 3; round++) {
    const child = start('load', path, [String(round)])
    const acknowledged: string[] = []
    const lines = createInterface({ input: child.stdout ?? process.stdin })
    lines.on('line', (line) => {
      acknowledged.push(line)
      if (acknowledged.length === 400) child.kill('SIGKILL')
    })
    await once(lines, 'close')
    expect(acknowledged.length).toBeGreaterThanOrEqual(400)
    const store = sqliteStore({ path })
    for (const key of acknowledged)
      expect(await store.get(key)).toMatchObject({ status: 'completed', response: { key }, attempt: 1 })
    await store.close()
  }
})

test('a folder that cannot be written is named, with what to do', async () => {
  const closed = join(folder, 'closed')
  mkdirSync(closed)
  chmodSync(closed, 0o555)
  const { lines } = await run('once', join(closed, 'retrysafe.db'), [], isRoot ? 65_534 : undefined)
  const said = JSON.parse(lines.join('\n')) as { code: string; message: string }
  expect(said.code).toBe('store_unavailable')
  expect(said.message).toContain(join(closed, 'retrysafe.db'))
  expect(said.message).toContain('must exist and be writable')
})

test('a process that may only read the file is told so and changes nothing', async () => {
  const path = join(folder, 'readable.db')
  const store = sqliteStore({ path })
  await store.begin('here')
  await store.close()
  const before = readFileSync(path)
  chmodSync(path, 0o444)
  const { lines } = await run('once', path, [], isRoot ? 65_534 : undefined)
  expect(JSON.parse(lines.join('\n'))).toMatchObject({ code: 'store_unavailable' })
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('on a full disk a claim is refused, what was acknowledged stays, and room makes it go on', async (context) => {
  const mount = join(folder, 'small')
  mkdirSync(mount)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mount], { stdio: 'pipe' })
    mounts.push(mount)
  } catch (error) {
    return context.skip(`a small file system cannot be mounted: ${String(error).split('\n')[0]}`)
  }
  const store = sqliteStore({ path: join(mount, 'retrysafe.db') })
  await store.begin('first')
  const filler = join(mount, 'filler')
  writeFileSync(filler, new Uint8Array(1_000_000))
  const acknowledged: string[] = []
  const value = 'x'.repeat(20_000)
  let refused: unknown
  for (let number = 0; refused === undefined && number < 1000; number++) {
    const key = `key-${number}`
    try {
      const outcome = await store.begin(key)
      if (outcome.status !== 'new') throw new Error(outcome.status)
      await store.complete(key, value, { token: outcome.token })
      acknowledged.push(key)
    } catch (error) {
      refused = error
    }
  }
  expect(refused).toMatchObject({ code: 'store_full', message: expect.stringContaining(mount) })
  expect(acknowledged.length).toBeGreaterThan(0)
  for (const key of acknowledged) expect(await store.get(key)).toMatchObject({ status: 'completed', response: value })
  rmSync(filler)
  expect(await store.begin('later')).toMatchObject({ status: 'new' })
  await store.close()
})

test('without any client the error says what to do', async (context) => {
  if (process.getBuiltinModule('node:sqlite') !== undefined)
    return context.skip(`Node ${process.versions.node} has a client of its own`)
  const { lines } = await run('once', join(folder, 'nothing.db'), [], undefined, folder)
  const said = JSON.parse(lines.join('\n')) as { code: string; message: string }
  expect(said.code).toBe('store_unavailable')
  expect(said.message).toContain('Node 22.13')
  expect(said.message).toContain('{ database }')
  expect(existsSync(join(folder, 'nothing.db'))).toBe(false)
})

function start(mode: string, path: string, rest: readonly string[], uid?: number, cwd?: string): ChildProcess {
  return spawn(process.execPath, [join(folder, program), mode, path, ...rest], {
    // Clients are found from here, as in an application.
    cwd: cwd ?? new URL('../../../..', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(uid === undefined ? {} : { uid }),
  })
}

async function run(
  mode: string,
  path: string,
  rest: readonly string[],
  uid?: number,
  cwd?: string,
): Promise<{ lines: string[]; code: unknown }> {
  const child = start(mode, path, rest, uid, cwd)
  children.add(child)
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code] = await once(child, 'close')
  children.delete(child)
  return { lines: output.split('\n').filter((line) => line !== ''), code }
}
