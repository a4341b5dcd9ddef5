/* Handlers of the web's own requests, on no server: what goes in and out of them, and what becomes of their streams. */
import { idempotent, operationOf, requireKey } from 'retrysafe/fetch'
import { memoryStore } from 'retrysafe/memory'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
})
afterEach(() => {
  vi.restoreAllMocks()
})

function ask(init: RequestInit = {}, key: string | null = 'k'): Request {
  const headers = key === null ? {} : { 'idempotency-key': key }
  return new Request('http://h/charges?a=1', { method: 'POST', body: '{}', headers, ...init })
}

function open(options: { readonly maxStoredBytes?: number } = {}) {
  const store = memoryStore()
  const once = idempotent({ store, scope: () => 'tenant', ...options })
  const statuses = async () => (await store.list({ limit: 9 })).records.map(({ status }) => status)
  return { once, statuses }
}

const encoder = new TextEncoder()

/** A source that makes a chunk when it is asked for one, and never at once. */
function pulled(count: number, size: number, broken = false) {
  const source = { given: 0, cancelled: false }
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await new Promise((resolve) => setImmediate(resolve))
        if (source.given < count) controller.enqueue(encoder.encode(String(source.given++ % 10).repeat(size)))
        else if (broken) controller.error(new Error('broken'))
        else controller.close()
      },
      cancel() {
        source.cancelled = true
      },
    },
    { highWaterMark: 0 },
  )
  return { source, stream: stream as ReadableStream<Uint8Array<ArrayBuffer>> }
}

test('a request without a key is the very same to its handler, and so is its response', async () => {
  const { once } = open()
  const response = new Response('plain')
  const seen: unknown[] = []
  const request = ask({}, null)
  const handle = once((given, ...rest: unknown[]) => {
    seen.push(given, operationOf(given), ...rest)
    return response
  })
  expect(await handle(request, 1, 'two')).toBe(response)
  expect(seen[0]).toBe(request)
  expect(seen.slice(1)).toEqual([undefined, 1, 'two'])
})

test('what the platform gives besides goes through untouched, under a key too', async () => {
  const { once } = open()
  const env = { name: 'env' }
  const handle = once((_request, given: object, context: object) => Response.json(given === env && context !== null))
  expect(await (await handle(ask(), env, {})).json()).toBe(true)
})

test('what a handler of an unkeyed request throws goes to the platform; of a keyed one it is a bare 500', async () => {
  const { once, statuses } = open()
  const handle = once(() => {
    throw new Error('secret')
  })
  await expect(handle(ask({}, null))).rejects.toThrow('secret')
  const failed = await handle(ask())
  expect([failed.status, await failed.text()]).toEqual([500, 'Internal Server Error\n'])
  expect(console.error).toHaveBeenCalledOnce()
  expect(await statuses()).toEqual([])
})

test('the platform is asked to wait before the handler runs, and until the response is stored', async () => {
  const { once, statuses } = open()
  const events: string[] = []
  const waitUntil = async (work: Promise<unknown>): Promise<void> => {
    events.push('asked')
    await work
    events.push(`over, ${await statuses()}`)
  }
  const handle = once((_request, _context: { waitUntil(work: Promise<unknown>): void }) => {
    events.push('runs')
    return new Response('done')
  })
  await handle(ask(), { waitUntil })
  await vi.waitFor(() => expect(events).toEqual(['asked', 'runs', 'over, completed']))
})

test('a response whose body was used is a 500, and gives the key back', async () => {
  const { once, statuses } = open()
  const handle = once(async () => {
    const response = new Response('used')
    await response.text()
    return response
  })
  expect((await handle(ask())).status).toBe(500)
  expect(await statuses()).toEqual([])
})

test('something that is no response is a 500, and gives the key back', async () => {
  const { once, statuses } = open()
  const handle = once((() => undefined) as unknown as () => Response)
  expect((await handle(ask())).status).toBe(500)
  expect(await statuses()).toEqual([])
})

test('a stream that errors midway breaks off, and is not run again', async () => {
  const { once } = open()
  let runs = 0
  const handle = once(() => {
    runs++
    return new Response(pulled(2, 3, true).stream)
  })
  await expect((await handle(ask())).text()).rejects.toThrow('broken')
  const again = await handle(ask())
  expect([again.status, (await again.json()).code, runs]).toEqual([409, 'response_not_stored', 1])
})

test('a slow client slows a source down', async () => {
  const { once } = open()
  const { source, stream } = pulled(100, 10)
  const reader = (await once(() => new Response(stream))(ask())).body?.getReader()
  await reader?.read()
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(source.given).toBeLessThan(5)
})

describe('a client that leaves', () => {
  test('midway leaves a response that is read to its end and stored, while the platform waits', async () => {
    const { once } = open()
    const waited: Promise<unknown>[] = []
    const { source, stream } = pulled(5, 1)
    const handle = once((_request, _env: object, _context: object) => new Response(stream))
    const context = { waitUntil: (work: Promise<unknown>) => void waited.push(work) }
    const reader = (await handle(ask(), {}, context)).body?.getReader()
    await reader?.read()
    await reader?.cancel()
    expect(waited).toHaveLength(1)
    await Promise.all(waited)
    expect([source.given, source.cancelled]).toEqual([5, false])
    const again = await handle(ask(), {}, context)
    expect([await again.text(), again.headers.get('idempotent-replayed')]).toEqual(['01234', 'true'])
  })

  test('in the midst of a server error leaves the key to its lease', async () => {
    const { once, statuses } = open()
    const handle = once(() => new Response(pulled(3, 1).stream, { status: 500 }))
    const reader = (await handle(ask())).body?.getReader()
    await reader?.read()
    await reader?.cancel()
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(await statuses()).toEqual(['in_progress'])
  })

  test('at once does so too', async () => {
    const { once, statuses } = open()
    const waited: Promise<unknown>[] = []
    const handle = once((_request, _context: object) => new Response(pulled(3, 1).stream))
    const response = await handle(ask(), { waitUntil: (work: Promise<unknown>) => void waited.push(work) })
    await response.body?.cancel()
    await Promise.all(waited)
    expect(await statuses()).toEqual(['completed'])
  })

  test('before its request was whole runs nothing', async () => {
    const { once, statuses } = open()
    let runs = 0
    const client = new AbortController()
    const body = new ReadableStream({
      pull(controller) {
        client.abort()
        controller.error(new Error('gone'))
      },
    })
    const init = { body, duplex: 'half', signal: client.signal } as RequestInit
    const handle = once(() => new Response(String(++runs)))
    expect((await handle(ask(init))).status).toBe(400)
    expect([runs, await statuses()]).toEqual([0, []])
  })
})

test('a long response is delivered whole where it is too long to be stored, and not run again', async () => {
  const { once } = open({ maxStoredBytes: 1024 })
  const kinds = { whole: () => new Response('x'.repeat(2000)), streamed: () => new Response(pulled(20, 100).stream) }
  for (const [key, handler] of Object.entries(kinds)) {
    const first = await once(handler)(ask({}, key))
    expect((await first.text()).length).toBe(2000)
    const again = await once(() => new Response('again'))(ask({}, key))
    expect([again.status, (await again.json()).code]).toEqual([409, 'response_not_stored'])
  }
})

test('bytes that a source uses again are stored as they were', async () => {
  const { once } = open()
  const buffer = new Uint8Array(1)
  let at = 65
  const source = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await new Promise((resolve) => setImmediate(resolve))
        if (at > 67) return controller.close()
        buffer[0] = at++
        controller.enqueue(buffer)
      },
    },
    { highWaterMark: 0 },
  )
  const handle = once(() => new Response(source as ReadableStream<Uint8Array<ArrayBuffer>>))
  await (await handle(ask())).text()
  expect(await (await handle(ask())).text()).toBe('ABC')
})

test('what is there at once goes out as one', async () => {
  const { once, statuses } = open()
  const response = await once(() => new Response(new Blob(['a', 'b']).stream()))(ask())
  expect([await response.text(), await statuses()]).toEqual(['ab', ['completed']])
})

test('a status text is replayed', async () => {
  const { once } = open()
  const handle = once(() => new Response('x', { status: 201, statusText: 'Charged' }))
  expect((await handle(ask())).statusText).toBe('Charged')
  expect((await handle(ask())).statusText).toBe('Charged')
})

test('requireKey refuses what has no key, and lets the rest through as it is', async () => {
  const keyed = requireKey()
  const seen: unknown[] = []
  const handle = keyed((request, env: string) => {
    seen.push(request, env)
    return new Response('ran')
  })
  expect((await handle(ask({}, null), 'env')).status).toBe(400)
  const request = ask()
  expect(await (await handle(request, 'env')).text()).toBe('ran')
  expect([seen[0] === request, seen[1]]).toEqual([true, 'env'])
})
