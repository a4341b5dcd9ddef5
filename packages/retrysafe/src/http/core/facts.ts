import type { HeaderList } from './headers.js'

/** What a carrier knows of a request before its body. */
export interface RequestFacts {
  readonly method: string
  /** Path and query as the carrier sees them. */
  readonly target: string
  /** Every field line of a header, in order. The name is in lower case. */
  header(lowerCaseName: string): readonly string[]
}

/** A response that is whole and ready to send. */
export interface Answer {
  readonly status: number
  readonly statusText?: string | undefined
  readonly headers: HeaderList
  readonly body: Uint8Array | string
}
