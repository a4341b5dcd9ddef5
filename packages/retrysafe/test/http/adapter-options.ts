import type { IdempotencyStore } from 'retrysafe'
import type { HttpOptions } from 'retrysafe/http'
import type { AdapterOptions } from 'retrysafe/testkit'

/** The options of a case for an adapter whose framework has requests of its own. */
export function optionsOf<Asked>(
  { scope, fingerprint, covers, ...rest }: AdapterOptions,
  store: IdempotencyStore,
  read: (asked: Asked) => (name: string) => string | undefined,
): HttpOptions<Asked> {
  return {
    ...rest,
    store,
    ...(scope === undefined ? {} : { scope: (asked) => scope(read(asked)) }),
    ...(fingerprint === undefined ? {} : { fingerprint: (asked) => fingerprint(read(asked)) }),
    ...(covers === undefined ? {} : { covers: (asked) => covers(read(asked)) }),
  }
}
