/* Assertions that need no test runner: they throw an Error that says what was expected and what was seen. */
import { type ErrorCode, isBytes, isRetrysafeError, type Outcome } from '../contract/index.js'

/** Deep equality: -0 is not 0, members in any order, bytes by content, dates by instant. */
export function expectEqual(seen: unknown, expected: unknown, what: string): void {
  if (!isSame(seen, expected)) throw new Error(`${what}: expected ${show(expected)}, saw ${show(seen)}`)
}

export function expectThat(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`expected that ${what}`)
}

/** The outcome, narrowed to the status that it must have. */
export function expectStatus<S extends Outcome['status']>(
  outcome: Outcome,
  status: S,
  what: string,
): Extract<Outcome, { status: S }> {
  if (outcome.status !== status) throw new Error(`${what}: expected ${status}, saw ${show(outcome)}`)
  return outcome as Extract<Outcome, { status: S }>
}

/** The call must reject with a RetrysafeError of this code; gives its message. A synchronous throw is no rejection. */
export async function expectRejection(call: () => Promise<unknown>, code: ErrorCode, what: string): Promise<string> {
  let promise: Promise<unknown>
  try {
    promise = call()
  } catch (error) {
    throw new Error(`${what}: expected a rejection with ${code}, but the call threw ${show(error)} at once`)
  }
  try {
    const seen = await promise
    throw new Error(`${what}: expected a rejection with ${code}, but it resolved with ${show(seen)}`)
  } catch (error) {
    if (isRetrysafeError(error, code)) return error.message
    if (error instanceof Error && error.message.startsWith(`${what}: `)) throw error
    throw new Error(`${what}: expected a rejection with ${code}, saw ${show(error)}`, { cause: error })
  }
}

export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (isBytes(a) || isBytes(b))
    return isBytes(a) && isBytes(b) && a.length === b.length && a.every((byte, index) => byte === b[index])
  if (a instanceof Date || b instanceof Date)
    return a instanceof Date && b instanceof Date && a.getTime() === b.getTime()
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const names = Object.keys(a)
  if (names.length !== Object.keys(b).length) return false
  return names.every(
    (name) =>
      Object.hasOwn(b, name) && isSame((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]),
  )
}

/** A value in few words. */
export function show(value: unknown): string {
  const text = describe(value)
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length} characters)` : text
}

function describe(value: unknown): string {
  if (Object.is(value, -0)) return '-0'
  if (value === undefined || typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (value instanceof Error) return isRetrysafeError(value) ? `${value.code} (${value.message})` : String(value)
  if (isBytes(value))
    return `${value.length} bytes [${value.subarray(0, 20).join(' ')}${value.length > 20 ? ' …' : ''}]`
  try {
    return JSON.stringify(value) ?? typeof value
  } catch {
    return Object.prototype.toString.call(value)
  }
}
