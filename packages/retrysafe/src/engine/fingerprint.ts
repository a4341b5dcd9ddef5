import { canonicalValue } from './canonical.js'
import { digestText } from './digest.js'

/** The version of everything that goes into a fingerprint. Another one never compares as equal or as different. */
export const fingerprintVersion = 'v1'

/**
 * The digest of what must be equal on a retry: 46 characters that start with `v1:`. Equal for values that mean the same,
 * whatever the order of their members; see `canonicalValue`.
 *
 * @throws `invalid_option` for values that have no canonical form.
 */
export function fingerprintOf(value: unknown): string {
  return fingerprintOfParts('value', canonicalValue(value))
}

/** A fingerprint of labelled parts. The first one names their kind, so that fingerprints of two kinds never agree. */
export function fingerprintOfParts(kind: string, ...parts: (string | Uint8Array)[]): string {
  return `${fingerprintVersion}:${digestText(`retrysafe.fingerprint.${kind}`, ...parts)}`
}
