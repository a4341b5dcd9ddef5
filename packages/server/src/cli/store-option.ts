import { RetrysafeError } from 'retrysafe'
import { type StoreUrl, storeUrl } from '../stores/store-url.js'
import { variableOf } from './flags.js'

export interface StoreOption {
  /** How the place is called where the URL was given on the command line. */
  readonly flag: string
  /** Whether a store within this process makes sense. */
  readonly memory?: boolean
}

/** The store from the command line, else from the environment, where passwords belong. */
export function readStoreUrl(given: string | undefined, { flag, memory = false }: StoreOption): StoreUrl {
  const variable = variableOf('store')
  const fromEnvironment = process.env[variable]?.trim() ?? ''
  if (given === undefined && fromEnvironment === '')
    throw new RetrysafeError(
      'invalid_option',
      `${flag} is missing: give it, or set ${variable}, such as sqlite:retrysafe.db or postgres://db.internal/shop.`,
    )
  const url = given !== undefined ? storeUrl(given, flag) : storeUrl(fromEnvironment, variable)
  if (url.kind === 'memory' && !memory)
    throw new RetrysafeError(
      'invalid_option',
      'A memory: store lives in its own process, where no other can look into it.',
    )
  return url
}
