/* The proxy as the adapter cases drive it: a case's handler is a real server behind it. */
import type { IdempotencyStore, Inspectable } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import type { AdapterHandler, AdapterNeed, AdapterOptions, OpenAdapter, Script } from 'retrysafe/testkit'
import { answer, listen } from '../../retrysafe/test/http/node/harness.js'
import { connectRaw, exchangeHttp1 } from '../../retrysafe/test/http/raw-client.js'
import type { ProxySettings } from '../src/cli/proxy-settings.js'
import { proxyTo } from './bench.js'

/** What no proxy can show, with the reason for which its cases are skipped. */
export const lacksOfProxy: Readonly<Partial<Record<AdapterNeed, string>>> = {
  throws: 'the proxy does not see what the service behind it throws',
  operation: 'the service behind the proxy is not given its operation',
  outer: 'nothing in front of the proxy sets headers of a response before it',
}

/** A case asks for an option that the proxy has no flag for. */
export interface Lack extends Error {
  readonly name: 'Lack'
}

export function isLack(error: unknown): error is Lack {
  return error instanceof Error && error.name === 'Lack'
}

/**
 * How the service writes: all that it has at once, so that several writes reach the proxy as one, or bit by bit, so that
 * each reaches it alone.
 */
export type Writing = 'at once' | 'bit by bit'

/** What the proxy cannot know of the service's writes, and so does otherwise than an adapter around the handler. */
const unlike: Readonly<Record<Writing, { readonly reason: string; readonly endings: readonly string[] }>> = {
  'at once': {
    reason: 'the proxy reads as one what was written at once, and stores it before it sends any of it',
    endings: [
      'chunks',
      'chunks and a last one with the end',
      'chunks with their length',
      'chunks and a last one with the end, with their length',
      'a head of its own and a body',
    ],
  },
  'bit by bit': {
    reason: 'the proxy has passed the last chunk on when it reads the end, which alone waits for the store',
    endings: ['chunks and a last one with the end'],
  },
}

/** Cases that the proxy holds in another way. */
export function unlikeCases(writing: Writing): readonly string[] {
  return unlike[writing].endings.map((what) => `the end is sent only once it is stored: ${what}`)
}

/** The reason for which the proxy cannot show the case. */
export function unlikeOfProxy(writing: Writing, name: string): string | undefined {
  return unlikeCases(writing).includes(name) ? unlike[writing].reason : undefined
}

export type OperatorStore = IdempotencyStore & Inspectable

/** The store is opened anew for every case, and closed with it. */
export function openProxy(
  writing: Writing,
  openStore: () => Promise<OperatorStore> = async () => memoryStore(),
): OpenAdapter {
  return async (setting) => {
    const settings = settingsOf(setting.options)
    const store = await openStore()
    const handler: AdapterHandler = async (request) => {
      const script = await setting.handler(request)
      return writing === 'at once' ? script : bitByBit(script)
    }
    const upstream = await listen('http/1.1', (request, response) => {
      answer({ handler }, request, response, 'writeHead').catch(() => response.destroy())
    })
    const on = setting.between?.(store) ?? store
    const proxy = await proxyTo(`http://127.0.0.1:${upstream.port}`, { ...settings, on })
    return {
      store,
      exchange: (request) => exchangeHttp1(proxy.port, request),
      connect: () => connectRaw(proxy.port),
      async close() {
        await upstream.close()
        await proxy.stop(0)
        await store.close()
      },
    }
  }
}

function bitByBit(script: Script): Script {
  const { chunks = [], flush } = script
  if (script.chunks === undefined && flush === undefined) return script
  async function* apart(): AsyncIterable<string | Uint8Array> {
    if (flush !== undefined) await delivered()
    for await (const chunk of chunks) {
      yield chunk
      await delivered()
    }
  }
  return { ...script, chunks: apart() }
}

/** Service and proxy share an event loop: after some of its turns, what the one wrote the other has read. */
async function delivered(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
}

/** Options of the adapter as the proxy's settings. */
export function settingsOf(options: AdapterOptions): Partial<Omit<ProxySettings, 'store' | 'upstream'>> {
  const { allowAnonymous = false, whenInProgress, remember, notApplied, corsOrigins, ...rest } = options
  const settings: Record<string, unknown> = { allowAnonymous }
  for (const [name, value] of Object.entries(rest)) {
    if (!sameName.has(name)) throw lack(`the proxy has no flag for ${name}`)
    settings[name] = value
  }
  if (typeof remember === 'function') throw lack('--remember takes no function')
  return {
    ...settings,
    ...(remember === undefined ? {} : { remember }),
    ...(corsOrigins === undefined ? {} : { corsOrigins }),
    ...(whenInProgress === undefined ? {} : { waitMs: whenInProgress === 'reject' ? 0 : whenInProgress.waitMs }),
    ...(notApplied === undefined ? {} : { notApplied: statusesOf(notApplied) }),
  }
}

/** Options that are settings of the proxy under the same name. */
const sameName: ReadonlySet<string> = new Set([
  'requireKey',
  'maxBodyBytes',
  'maxStoredBytes',
  'maxHeldBytes',
  'leaseMs',
  'retentionMs',
  'maxRunMs',
  'afterCrash',
])

/** A function of the status alone, as the list that `--not-applied` takes. */
function statusesOf(notApplied: NonNullable<AdapterOptions['notApplied']>): readonly number[] {
  const all = Array.from({ length: 500 }, (_, index) => 100 + index)
  try {
    return all.filter((status) => notApplied({ status }))
  } catch {
    throw lack('--not-applied takes statuses, which throw nothing')
  }
}

function lack(reason: string): Lack {
  return Object.assign(new Error(reason), { name: 'Lack' as const })
}
