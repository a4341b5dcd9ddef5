import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { locate } from '../src/programs.js'
import { endSupervisor, type Recipe, startServer } from '../src/server.js'
import { listens } from '../src/wire.js'

/** A server that listens on the port it is given, as engines do. */
const listener = "require('node:net').createServer().listen(Number(process.argv[1]), '127.0.0.1')"

const recipe: Recipe = {
  name: 'listener',
  url: (port) => `tcp://127.0.0.1:${port}`,
  command: ({ port }) => [process.execPath, '-e', listener, String(port)],
  answers: listens,
  asSelf: true,
}

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retrysafe-server-'))
})

afterAll(async () => {
  await endSupervisor()
  rmSync(folder, { recursive: true, force: true })
})

test('an engine whose port was taken before it began gets another', async () => {
  const ports: number[] = []
  const server = await startServer({
    ...recipe,
    command(place) {
      ports.push(place.port)
      const taken = ports.length < 3 ? "console.error('bind: Address already in use'); process.exit(1)" : listener
      return [process.execPath, '-e', taken, String(place.port)]
    },
  })
  expect(new Set(ports).size).toBe(3)
  expect(server.port).toBe(ports[2])
  await server.stop()
})

test('an engine that ends for another reason is not tried again', async () => {
  let times = 0
  const starting = startServer({
    ...recipe,
    command() {
      times += 1
      return [process.execPath, '-e', "console.error('no memory for this'); process.exit(3)"]
    },
  })
  await expect(starting).rejects.toThrow('listener ended with exit code 3. The end of its log:\nno memory for this')
  expect(times).toBe(1)
})

test('a program that cannot be started is an error', async () => {
  await expect(startServer({ ...recipe, command: () => ['/nowhere/at/all'] })).rejects.toThrow('ENOENT')
})

test('first data is made once, and each engine has a copy of its own', async () => {
  let times = 0
  const folders: string[] = []
  const withData: Recipe = {
    ...recipe,
    name: 'with-data',
    async initialize(data, run) {
      times += 1
      await run('mkdir', [data])
    },
    prepare: ({ folder }) => void folders.push(join(folder, 'data')),
  }
  const servers = await Promise.all([startServer(withData), startServer(withData)])
  expect(times).toBe(1)
  expect(new Set(folders).size).toBe(2)
  expect(folders.map((one) => existsSync(one))).toEqual([true, true])
  await Promise.all(servers.map((server) => server.stop()))
  expect(folders.map((one) => existsSync(one))).toEqual([false, false])
})

test('a process that an engine has started is killed with it', async () => {
  const program = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(listener)}, process.argv[1]], { detached: true }); setInterval(() => {}, 1000)`
  const server = await startServer({
    ...recipe,
    command: ({ port }) => [process.execPath, '-e', program, String(port)],
  })
  expect(await listens(server.port)).toBe(true)
  await server.kill()
  expect(await listens(server.port)).toBe(false)
  await server.start()
  expect(await listens(server.port)).toBe(true)
  await expect(server.start()).rejects.toThrow('listener runs')
  await server.stop()
  expect(await listens(server.port)).toBe(false)
})

describe('where programs come from', () => {
  const search = { name: 'Listener', packages: [], container: { image: 'listener:1', programs: 'in it' } }

  test('installed ones come first', async () => {
    expect(await locate({ ...search, installed: () => 'here' })).toEqual({ value: { programs: 'here' } })
  })

  describe('in a container, where there is nothing else', () => {
    const path = process.env.PATH

    beforeAll(() => {
      // Understands as much of `docker` as is asked of it, and runs what is asked for as it stands.
      const docker = `#!/bin/sh
case "$1" in
  info) exit \${RETRYSAFE_TEST_FAKE_DOCKER:-0} ;;
  rm) kill -9 "$(cat "${folder}/pid")"; echo removed >> "${folder}/removed" ;;
  run) echo $$ > "${folder}/pid"; echo "$@" > "${folder}/run"
    while [ "$1" != --entrypoint ]; do shift; done
    program="$2"; shift 3; exec "$program" "$@" ;;
esac
`
      writeFileSync(join(folder, 'docker'), docker)
      chmodSync(join(folder, 'docker'), 0o755)
      process.env.PATH = `${folder}${delimiter}${path}`
    })

    beforeEach((context) => {
      context.skip(process.platform !== 'linux', 'containers are used on Linux only')
    })

    afterAll(() => {
      process.env.PATH = path
      delete process.env.RETRYSAFE_TEST_FAKE_DOCKER
    })

    test('docker is taken when it answers', async () => {
      expect(await locate({ ...search, installed: () => undefined })).toEqual({ value: search.container })
    })

    test('the reason names all that was tried when it does not', async () => {
      process.env.RETRYSAFE_TEST_FAKE_DOCKER = '1'
      const found = await locate({ ...search, installed: () => undefined })
      expect(found).toEqual({ missing: expect.stringMatching(/^Listener is not installed; .*; docker info: /) })
      delete process.env.RETRYSAFE_TEST_FAKE_DOCKER
    })

    test('an engine in it has the folder and the network of this machine, and is killed in it', async () => {
      // The supervisor that runs has the path of before.
      await endSupervisor()
      const server = await startServer({ ...recipe, image: search.container.image })
      const asked = readFileSync(join(folder, 'run'), 'utf8')
      expect(asked).toMatch(/^run --rm --name retrysafe-listener-\S+ --network host --user \d+:\d+ /)
      expect(asked).toContain(' listener:1 -e ')
      await server.kill()
      expect(readFileSync(join(folder, 'removed'), 'utf8')).toBe('removed\n')
      expect(await listens(server.port)).toBe(false)
      await server.start()
      expect(await listens(server.port)).toBe(true)
      await server.stop()
      expect(await listens(server.port)).toBe(false)
    })
  })
})
