import type { Driver } from './driver.js'

/** Checks what the calls need before the first of them, and never again once it was right. */
export function onceReady(driver: Driver, check: () => Promise<void>): Driver {
  let isReady = false
  let checking: Promise<void> | undefined
  const ready = (): Promise<void> => {
    checking ??= check().then(
      () => {
        isReady = true
      },
      (error: unknown) => {
        checking = undefined
        throw error
      },
    )
    return checking
  }
  const after = <T>(call: () => Promise<T>): Promise<T> => (isReady ? call() : ready().then(call))
  return {
    ...driver,
    begin: (key, ask) => after(() => driver.begin(key, ask)),
    complete: (key, ask) => after(() => driver.complete(key, ask)),
    renew: (key, ask) => after(() => driver.renew(key, ask)),
    release: (key, token) => after(() => driver.release(key, token)),
    free: (key, attempt) => after(() => driver.free(key, attempt)),
    read: (key) => after(() => driver.read(key)),
    discard: (key) => after(() => driver.discard(key)),
    purge: (limit) => after(() => driver.purge(limit)),
    list: (filter) => after(() => driver.list(filter)),
  }
}
