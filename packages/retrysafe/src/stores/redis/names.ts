import type { Port } from './client.js'
import { toText } from './replies.js'
import { nameScript } from './scripts.js'

/** What stands before every key in the server. */
export type FullPrefix = () => Promise<string>

/** Clients may put a prefix of their own before the store's, and not all say so: the server is asked, once. */
export function createFullPrefix(port: Port, prefix: string): FullPrefix {
  let asked: Promise<string> | undefined
  return () => {
    asked ??= port.run(nameScript, [prefix], []).then(toText, (error: unknown) => {
      asked = undefined
      throw error
    })
    return asked
  }
}
