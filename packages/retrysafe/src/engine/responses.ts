/* How a result becomes a stored response, and a stored response a result. */
import {
  encodedBytes,
  encodeValue,
  isBytes,
  type JsonValue,
  RetrysafeError,
  type Storable,
  type StoredValue,
} from '../contract/index.js'
import type { Codec } from './types.js'

export interface Packed {
  readonly kind: string
  readonly response: Storable
}

/** The response of a key whose work ran and whose result could not be kept. */
export const notStored: Packed = { kind: 'not_stored', response: null }

/**
 * @throws `value_not_serialisable` or `value_too_large`, or what the codec throws.
 */
export function packResult(result: unknown, codec: Codec<unknown> | undefined, maxBytes: number): Packed {
  if (codec === undefined && result === undefined) return { kind: 'void', response: null }
  const response = codec === undefined ? (result as Storable) : codec.encode(result)
  return { kind: 'value', response: checkResponse(response, maxBytes) }
}

/** Refuses what could not be given back as it is, before a store is asked. */
export function checkResponse(response: Storable, maxBytes: number): Storable {
  // A replayed Buffer would be a plain Uint8Array.
  if (isBytes(response) && Object.getPrototypeOf(response)?.constructor?.name !== 'Uint8Array')
    throw new RetrysafeError(
      'value_not_serialisable',
      'The result is a Buffer or another subclass of Uint8Array: give a codec.',
    )
  const bytes = isBytes(response) ? response.byteLength : encodedBytes(encodeValue(response))
  if (bytes > maxBytes)
    throw new RetrysafeError(
      'value_too_large',
      `The response has ${bytes} bytes, more than maxStoredBytes (${maxBytes}) allows.`,
    )
  return response
}

/** Gives the result that was stored, throws the failure that was stored, or says why it cannot. */
export function unpackResult(
  stored: StoredValue,
  kind: string,
  codec: Codec<unknown> | undefined,
  key: string,
): unknown {
  switch (kind) {
    case 'void':
      return undefined
    case 'value':
      return codec === undefined ? stored : decode(codec, stored, key)
    case 'failure':
      throw unpackFailure(stored)
    case 'not_stored':
      throw responseNotStored(key)
    default:
      throw new RetrysafeError(
        'mismatch',
        `The key was used for an operation of another kind (${kind}), whose response cannot be read here.`,
        { key },
      )
  }
}

export function responseNotStored(key: string): RetrysafeError {
  return new RetrysafeError(
    'response_not_stored',
    'The operation ran, and its response was too large or not serialisable, so it cannot be replayed. It will not run again.',
    { key },
  )
}

function decode(codec: Codec<unknown>, stored: StoredValue, key: string): unknown {
  try {
    return codec.decode(stored)
  } catch (cause) {
    throw new RetrysafeError('mismatch', 'The codec cannot read the stored response.', { key, cause })
  }
}

/** A failure as it is stored: its name, message and own JSON properties. */
export function packFailure(error: unknown, maxBytes: number): Packed {
  const response =
    error instanceof Error
      ? { name: error.name, message: error.message, properties: jsonProperties(error) }
      : { thrown: error as JsonValue }
  return { kind: 'failure', response: checkResponse(response, maxBytes) }
}

export function unpackFailure(stored: StoredValue): unknown {
  const failure = stored as { name?: string; message?: string; properties?: object; thrown?: JsonValue }
  if (failure.message === undefined) return failure.thrown
  const error = Object.assign(new Error(failure.message), failure.properties)
  Object.defineProperty(error, 'name', { value: failure.name, configurable: true, writable: true })
  return error
}

function jsonProperties(error: Error): Record<string, Storable> {
  const properties: Record<string, Storable> = {}
  for (const [name, value] of Object.entries(error)) {
    if (name === 'name' || name === 'message' || name === 'stack' || value === undefined) continue
    try {
      encodeValue({ value })
      properties[name] = value as Storable
    } catch {
      // A property that JSON cannot hold is left out: the failure itself is worth more.
    }
  }
  return properties
}
