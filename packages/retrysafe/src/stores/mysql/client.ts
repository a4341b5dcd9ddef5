/* What `mysql2/promise` and `mariadb` are asked, and what they answer, made the same. */
import { RetrysafeError } from '../../contract/index.js'

/** Bytes are of the class of Node that both clients insist on; any other Uint8Array they would turn into JSON. */
export type MysqlValue = string | number | null | Uint8Array

/** A statement with the options of a client that change what its results look like. */
export interface MysqlStatement {
  sql: string
  rowsAsArray: boolean
  namedPlaceholders: boolean
  nestTables: boolean
  metaAsArray: boolean
  bigIntAsNumber: boolean
  insertIdAsNumber: boolean
  checkNumberRange: boolean
  /** Gives what `next` gives, which is anything; the declarations of one client want some of it named. */
  typeCast?(field: unknown, next: () => unknown): string | number | null
}

/** The part of a client that the store calls: pools and connections of `mysql2/promise` and of `mariadb` fit. */
export interface MysqlClient {
  execute(statement: MysqlStatement, values?: MysqlValue[]): Promise<unknown>
}

/** What a statement did that gives no rows. */
export interface Effect {
  readonly affectedRows: number
  /** What the statement gave to LAST_INSERT_ID; 0 where it gave nothing. */
  readonly insertId: number
}

/** A client, asked so that its own options change nothing. */
export interface Asking {
  rows(sql: string, values?: MysqlValue[]): Promise<Readonly<Record<string, unknown>>[]>
  change(sql: string, values?: MysqlValue[]): Promise<Effect>
  /** From now on the client's own `typeCast` is passed by, which takes time. */
  passByTypeCast(): void
}

/** The options of a client must change nothing for the store, so each statement brings its own. */
const plainly = {
  rowsAsArray: false,
  namedPlaceholders: false,
  nestTables: false,
  metaAsArray: false,
  bigIntAsNumber: true,
  insertIdAsNumber: true,
  checkNumberRange: false,
}

export function askingOf(client: MysqlClient): Asking {
  let options: Omit<MysqlStatement, 'sql'> = plainly
  const send = (sql: string, values: MysqlValue[] = []): Promise<unknown> => client.execute({ sql, ...options }, values)
  return {
    async rows(sql, values) {
      const result = await send(sql, values)
      // mysql2 gives the rows and then the columns, mariadb the rows alone.
      const rows: unknown = Array.isArray(result) && Array.isArray(result[0]) ? result[0] : result
      if (!Array.isArray(rows)) throw unreadable()
      return rows as Readonly<Record<string, unknown>>[]
    },
    async change(sql, values) {
      const result = await send(sql, values)
      const header: unknown = Array.isArray(result) ? result[0] : result
      if (typeof header !== 'object' || header === null || !('affectedRows' in header)) throw unreadable()
      // Integers come as bigints or strings too, as the client's options have it.
      const { affectedRows, insertId } = header as { affectedRows: unknown; insertId?: unknown }
      return { affectedRows: Number(affectedRows), insertId: Number(insertId ?? 0) }
    },
    passByTypeCast() {
      options = { ...plainly, typeCast: (_field, next) => next() as string | number | null }
    },
  }
}

function unreadable(): RetrysafeError {
  return new RetrysafeError(
    'invalid_option',
    'client gave no result that the MySQL store can read: it must be a pool or a connection of mysql2/promise or of ' +
      'mariadb, whose execute resolves with rows.',
  )
}

/** Bytes as the clients take them. */
interface ByteClass {
  from(bytes: ArrayBufferLike, offset: number, length: number): Bytes
}

interface Bytes extends Uint8Array {
  toString(encoding?: 'hex'): string
}

const utf8 = new TextEncoder()
const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes of the value; strings as UTF-8, whatever the character set of the session is. */
export function toBytes(value: string | Uint8Array): Bytes {
  const bytes = typeof value === 'string' ? utf8.encode(value) : value
  // Wherever these clients run there is this class, and they know bytes by it alone.
  const { Buffer: Class } = globalThis as { Buffer?: ByteClass }
  return Class === undefined ? bytes : Class.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** In hexadecimal, for what stands in a text that is ASCII whatever it says. */
export function toHex(value: string | Uint8Array): string {
  return toBytes(value).toString('hex')
}

/** The text of bytes that a column holds. */
export function fromBytes(value: unknown): string {
  return typeof value === 'string' ? value : text.decode(value as Uint8Array)
}
