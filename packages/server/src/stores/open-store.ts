import { type IdempotencyStore, isRetrysafeError, type Migratable, RetrysafeError } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { sqliteStore } from 'retrysafe/sqlite'
import type { ConnectOptions } from './connection.js'
import { reasonOf } from './reason.js'
import { redact } from './redact.js'
import { checkPath } from './sqlite.js'
import type { StoreUrl } from './store-url.js'

export interface OpenOptions extends ConnectOptions {
  /** An operator's look into a store must not make an empty one. */
  readonly mustExist?: boolean
  /** A store that is set in a way that breaks promises is refused. Who only looks into one may look all the same. */
  readonly ready?: boolean
}

/** A store that can tell more about its readiness than an answer does. */
export interface Readied {
  /** Rejects with the reason for which no request should come here. */
  checkReady(): Promise<void>
}

/**
 * Opens the store and asks it for a key once, so that a bad one fails here and now. A SQLite file makes its tables
 * itself; those of a server are made by `retrysafe migrate`. Closing the store ends its connections too.
 */
export async function openStore(url: StoreUrl, options: OpenOptions = {}): Promise<IdempotencyStore> {
  if (url.kind === 'sqlite') checkPath(url.path, options.mustExist ?? false)
  try {
    const store = await connectStore(url, { ...options, wakes: options.wakes ?? options.ready })
    try {
      if (url.kind === 'sqlite' && isMigratable(store)) await store.migrate()
      if (options.ready) await proveReady(store)
      else await ask(store)
      return store
    } catch (error) {
      await store.close().catch(() => {})
      throw error
    }
  } catch (error) {
    throw cannotOpen(url, error)
  }
}

/** The store without a question to it yet. Clients are loaded only where they are asked for. */
export async function connectStore(url: StoreUrl, options: ConnectOptions = {}): Promise<IdempotencyStore> {
  const { clock } = options
  switch (url.kind) {
    case 'memory':
      return memoryStore({ clock })
    case 'sqlite':
      return sqliteStore({ path: url.path, clock })
    case 'postgres':
      return (await import('./postgres.js')).openPostgres(url, options)
    case 'mysql':
      return (await import('./mysql.js')).openMysql(url, options)
    case 'redis':
      return (await import('./redis.js')).openRedis(url, options)
    case 'dynamodb':
      return (await import('./dynamodb.js')).openDynamodb(url, options)
  }
}

/** Resolves where requests may come. */
export async function proveReady(store: IdempotencyStore): Promise<void> {
  await ask(store)
  if (isReadied(store)) await store.checkReady()
}

async function ask(store: IdempotencyStore): Promise<void> {
  await store.get('retrysafe-ready')
}

export function isMigratable(store: IdempotencyStore): store is IdempotencyStore & Migratable {
  return 'migrate' in store && typeof store.migrate === 'function'
}

function isReadied(store: IdempotencyStore): store is IdempotencyStore & Readied {
  return 'checkReady' in store && typeof store.checkReady === 'function'
}

function cannotOpen(url: StoreUrl, error: unknown): RetrysafeError {
  const code = isRetrysafeError(error) ? error.code : 'store_unavailable'
  if (isWithoutTables(error))
    return new RetrysafeError(
      code,
      `The store ${url.text} has no tables yet: run \`retrysafe migrate\` with the same store once${
        url.kind === 'dynamodb'
          ? '; or its table is in another region, or has another name.'
          : ', or the SQL that `retrysafe migrate --print` prints.'
      }`,
      { cause: error },
    )
  return new RetrysafeError(code, `The store ${url.text} cannot be opened: ${redact(reasonOf(error))}`, {
    cause: error,
  })
}

/** Stores name the call that makes what is missing. */
function isWithoutTables(error: unknown): boolean {
  return isRetrysafeError(error, 'store_unavailable') && /\bmigrate\(\)/.test(error.message)
}
