/* Tables of engines with conditional writes, and what their stores offer. */
import type { IdempotencyStore, Inspectable } from 'retrysafe'
import { type CompareAndSwapTable, compareAndSwapStore, type ScannableTable } from 'retrysafe/cas'

declare const plain: CompareAndSwapTable<number>
declare const scannable: ScannableTable<string>

export const lean: IdempotencyStore & Pick<Inspectable, 'delete' | 'free'> = compareAndSwapStore(plain)
export const whole: IdempotencyStore & Inspectable = compareAndSwapStore(scannable, { maxClockSkewMs: 100 })

/** A class will do: its methods are called as methods. */
class Bucket implements CompareAndSwapTable<string> {
  readonly name = 'The bucket'
  readonly maxValueBytes = 1000
  async read(): Promise<undefined> {}
  async put(): Promise<boolean> {
    return true
  }
  async remove(): Promise<boolean> {
    return true
  }
}
compareAndSwapStore(new Bucket())

// @ts-expect-error Without a scan there is no list.
compareAndSwapStore(plain).list()
// @ts-expect-error How large a value may be is for the engine to say.
compareAndSwapStore({ name: 'x', read: plain.read, put: plain.put, remove: plain.remove })
// @ts-expect-error A version that may be undefined cannot be told from nothing.
export type Vague = CompareAndSwapTable<string | undefined>
