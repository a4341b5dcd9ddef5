import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { RetrysafeError } from 'retrysafe'
import type { SqliteDatabase } from 'retrysafe/sqlite'

type OwnDatabase = SqliteDatabase & { close(): unknown }
type OpenDatabase = new (path: string) => OwnDatabase

/**
 * A second handle on the file of a store, by the client that the store itself takes. Locks of a file belong to the
 * process: two SQLite libraries in one would drop each other's.
 */
export async function openSqlite(path: string): Promise<OwnDatabase> {
  const builtIn = process.getBuiltinModule?.('node:sqlite') as { DatabaseSync: OpenDatabase } | undefined
  const Database = builtIn?.DatabaseSync ?? ((await import('libsql')).default as unknown as OpenDatabase)
  const database = new Database(path)
  database.exec('PRAGMA busy_timeout = 10000')
  return database
}

/** What the file system says is clearer than what SQLite makes of it. */
export function checkPath(path: string, mustExist: boolean): void {
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
