/* Replies as clients hand them over: a client may be set to give text as bytes, or numbers as text. */
import { isBytes } from '../../contract/index.js'

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

export function toText(reply: unknown): string {
  if (typeof reply === 'string') return reply
  return isBytes(reply) ? utf8.decode(reply) : String(reply)
}

export function toNumber(reply: unknown): number {
  return typeof reply === 'number' ? reply : Number(toText(reply))
}
