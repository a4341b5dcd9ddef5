import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Clock, type IdempotencyStore, isRetrysafeError, RetrysafeError } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { sqliteStore } from 'retrysafe/sqlite'
import { badValue, type Reader } from './values.js'

/** Which store, and where. */
export type StoreUrl =
  | { readonly kind: 'memory'; readonly text: string }
  | { readonly kind: 'sqlite'; readonly text: string; readonly path: string }

const later: ReadonlySet<string> = new Set([
  'postgres',
  'postgresql',
  'mysql',
  'redis',
  'rediss',
  'dynamodb',
  'http',
  'https',
])

/** Reads `memory:` or `sqlite:PATH`. */
export const storeUrl: Reader<StoreUrl> = (given, name) => {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(given) ?? []
  const kind = scheme.toLowerCase()
  if (kind === 'memory' && rest === '') return { kind, text: given }
  if (kind === 'sqlite' && rest !== '' && !rest.startsWith('//') && !rest.startsWith(':') && !rest.includes('\0'))
    return { kind, text: given, path: rest }
  if (later.has(kind))
    throw new RetrysafeError(
      'invalid_option',
      `${name} names a ${kind} store, which is not in this version of the server: write sqlite:PATH or memory:.`,
    )
  throw badValue(
    name,
    given.replace(/\/\/[^/@]*@/, '//…@'),
    'sqlite:PATH, such as sqlite:./retrysafe.db or sqlite:/var/lib/retrysafe/keys.db, or memory: to keep keys in this process only',
  )
}

export interface OpenOptions {
  readonly clock?: Clock
  /** An operator's look into a store must not make an empty one. */
  readonly mustExist?: boolean
}

/** Opens the store, makes what it needs and asks it for a key once, so that a bad one fails here and now. */
export async function openStore(url: StoreUrl, options: OpenOptions = {}): Promise<IdempotencyStore> {
  if (url.kind === 'sqlite') checkPath(url.path, options.mustExist ?? false)
  const clock = options.clock === undefined ? {} : { clock: options.clock }
  try {
    const store = url.kind === 'memory' ? memoryStore({ ...clock }) : sqliteStore({ path: url.path, ...clock })
    await proveStore(store)
    return store
  } catch (error) {
    throw cannotOpen(url, error)
  }
}

async function proveStore(store: IdempotencyStore): Promise<void> {
  try {
    if ('migrate' in store && typeof store.migrate === 'function') await store.migrate()
    await store.get('retrysafe-ready')
  } catch (error) {
    await store.close().catch(() => {})
    throw error
  }
}

function cannotOpen(url: StoreUrl, error: unknown): RetrysafeError {
  const code = isRetrysafeError(error) ? error.code : 'store_unavailable'
  const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
  return new RetrysafeError(code, `The store ${url.text} cannot be opened: ${reason}`, { cause: error })
}

/** What the file system says is clearer than what SQLite makes of it. */
function checkPath(path: string, mustExist: boolean): void {
  const file = resolve(path)
  const folder = dirname(file)
  const problem = existsSync(file)
    ? fileProblem(file)
    : mustExist
      ? `there is no file ${file}`
      : folderProblem(folder, existsSync(folder))
  if (problem !== undefined)
    throw new RetrysafeError('store_unavailable', `The store sqlite:${path} cannot be opened: ${problem}.`)
}

function fileProblem(file: string): string | undefined {
  if (!statSync(file).isFile()) return `${file} is not a file`
  return isAccessible(file, constants.R_OK | constants.W_OK) ? undefined : `${file} cannot be written by this user`
}

function folderProblem(folder: string, exists: boolean): string | undefined {
  if (!exists) return `the folder ${folder} does not exist`
  return isAccessible(folder, constants.W_OK) ? undefined : `the folder ${folder} cannot be written by this user`
}

function isAccessible(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
