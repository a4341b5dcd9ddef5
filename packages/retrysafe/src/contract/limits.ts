/** A default with the least and the most that is accepted. */
export interface Limit {
  readonly default: number
  readonly min: number
  readonly max: number
}

const kib = 1024
const mib = 1024 * kib
const second = 1000
const hour = 3600 * second
const day = 24 * hour

/** Code points of a key, and of space and scope together: as many as Stripe takes, so that its keys fit. */
export const maxKeyCodePoints = 255
/** UTF-8 bytes of a store key: two parts of 255 code points of 4 bytes, and two slashes. */
export const maxStoreKeyBytes = 2042
/** Characters of a token or a fingerprint: room for any digest, small enough for every engine's index. */
export const maxTagLength = 255
/** Levels of a JSON value: deeper ones overflow the stack of common parsers. */
export const maxJsonDepth = 1000

/** Shorter than 100 ms a lease would lapse between two heartbeats; longer than a day nobody waits for a crash. */
export const leaseLimit: Limit = { default: 30 * second, min: 100, max: day }
/** A response that cannot outlive a second protects nobody; 400 days cover a yearly job. */
export const retentionLimit: Limit = { default: day, min: second, max: 400 * day }
/** How long heartbeats go on for work that may hang. */
export const maxRunLimit: Limit = { default: 15 * 60 * second, min: 100, max: day }
/** How long a duplicate may wait for the response. */
export const waitLimit: Limit = { default: 0, min: 0, max: day }
/** Bytes of a response that are kept for replay. */
export const storedLimit: Limit = { default: 10 * mib, min: kib, max: kib * mib }
/** Bytes of a request body that are held for its fingerprint. */
export const bodyLimit: Limit = { default: 10 * mib, min: 0, max: kib * mib }
/**
 * Members of a JSON body that are put in order for its fingerprint, all objects together: sorting them takes tens of
 * milliseconds. A body with more unsorted ones counts byte by byte.
 */
export const maxSortedMembers = 50_000
/** Bytes that all requests of a process hold at once. */
export const heldLimit: Limit = { default: 256 * mib, min: mib, max: 64 * kib * mib }
/** Bytes of the checkpoints of one operation. */
export const checkpointLimit: Limit = { default: mib, min: kib, max: 16 * mib }
/** Steps of one operation. */
export const stepLimit: Limit = { default: 256, min: 1, max: 4096 }
/** Duplicates of one key that wait in one process. */
export const waiterLimit: Limit = { default: 1000, min: 0, max: 100_000 }
/** Calls that share one statement or one commit. */
export const batchLimit: Limit = { default: 256, min: 1, max: 4096 }
/** Records that one purge deletes. */
export const purgeLimit: Limit = { default: 1000, min: 1, max: 10_000 }
/** Records on one page of a list. */
export const listLimit: Limit = { default: 100, min: 1, max: 1000 }
