import { isRetrysafeError, RetrysafeError, type StoredValue } from '../../contract/index.js'
import {
  type Attempt,
  createOperation,
  type Entry,
  findWinner,
  notStored,
  type Operation,
  type Packed,
  packOr,
} from '../../engine/index.js'
import { asRetrysafeError, refusal, replayAnswer } from './answers.js'
import type { Answer, RequestFacts } from './facts.js'
import { storableHeaders } from './headers.js'
import type { HttpSettings, ResponseHead } from './options.js'
import { judgeResponse, type Verdict } from './response-policy.js'
import { encodeResponse } from './stored-response.js'

/** How a response ended, as the carrier saw it. */
export type Ending =
  /** Whole, with its bytes, or without them where they were too many to keep. */
  | { readonly type: 'whole'; readonly head: WholeHead; readonly body: Uint8Array | undefined }
  /** It broke off after its head. */
  | { readonly type: 'cut'; readonly head: WholeHead }
  /** The work threw before a head. */
  | { readonly type: 'failed'; readonly error: unknown }

export interface WholeHead extends ResponseHead {
  readonly statusText?: string | undefined
}

export type Settlement =
  /** Send (the rest of) the response. */
  | { readonly action: 'send' }
  /** The lease was lost: send this instead, or cut the connection where the head is out already. */
  | { readonly action: 'replace'; readonly answer: Answer }

/** One request that does the work. */
export interface HttpRun {
  /** What the work sees of it: made when it is asked for, and then always the same. */
  operation(): Operation
  /** Bytes of a response that are kept. */
  readonly maxStoredBytes: number
  /** Ends the claim by what came of the work; the carrier sends the end of the response only afterwards. */
  settle(ending: Ending, clientLeft: boolean): Promise<Settlement>
}

const send: Settlement = { action: 'send' }

/** One claimed request: its options, what was asked, and the claim. */
interface Claimed {
  readonly settings: HttpSettings<never>
  readonly facts: RequestFacts
  readonly entry: Entry
  readonly attempt: Attempt
  readonly currentHas: (lowerCaseName: string) => boolean
}

export function createHttpRun<Request>(
  settings: HttpSettings<Request>,
  facts: RequestFacts,
  entry: Entry,
  attempt: Attempt,
  currentHas: (lowerCaseName: string) => boolean,
): HttpRun {
  const claimed: Claimed = { settings: settings as HttpSettings<never>, facts, entry, attempt, currentHas }
  let operation: Operation | undefined
  return {
    operation() {
      operation ??= createOperation(settings.engine, attempt, entry.key)
      return operation
    },
    maxStoredBytes: settings.maxStoredBytes,
    settle: (ending, clientLeft) => settle(claimed, ending, clientLeft),
  }
}

async function settle(claimed: Claimed, ending: Ending, clientLeft: boolean): Promise<Settlement> {
  const { settings, attempt } = claimed
  if (ending.type === 'failed') observeFailure(claimed, ending.error)
  const { lostBy } = attempt.lease
  if (lostBy !== undefined) {
    attempt.leave()
    return replaceByWinner(claimed, lostBy)
  }
  if (ending.type === 'failed') return end(claimed, judgeFailure(settings, ending.error, clientLeft))
  const verdict = judge(claimed, ending.head, clientLeft)
  if (verdict !== 'store') return end(claimed, verdict)
  const settled = await attempt.complete(ending.type === 'cut' ? notStored : pack(claimed, ending.head, ending.body))
  return settled.status === 'lost' ? replaceByWinner(claimed, settled.error) : send
}

function observeFailure({ settings, attempt: { claim } }: Claimed, error: unknown): void {
  settings.engine.settings.observe({ type: 'failed', storeKey: claim.storeKey, attempt: claim.attempt, error })
}

function judge(claimed: Claimed, head: WholeHead, clientLeft: boolean): Verdict {
  const { status, headers, statusText } = head
  const { remember, notApplied } = claimed.settings
  const retryAfter = headers.some(([name]) => name.length === 11 && name.toLowerCase() === 'retry-after')
  const response = { status, headers, statusText, retryAfter }
  const judged = judgeResponse(response, {
    // A rule that fails must neither lose the response nor clear anything: then the default stands.
    remember: typeof remember === 'function' ? attempted(claimed, remember, 'definite') : remember,
    afterCrash: claimed.entry.run.afterCrash,
    notApplied: notApplied === undefined ? undefined : attempted(claimed, notApplied, false),
  })
  // A server error that nobody waited for may be the abort's own doing: what was done by then is not known.
  return judged === 'release' && clientLeft && status >= 500 ? 'leave' : judged
}

/** The user's rule, and an event where it throws. */
function attempted<R extends ResponseHead>(
  claimed: Claimed,
  rule: (response: R & { retryAfter: boolean }) => boolean,
  otherwise: 'definite' | false,
): (response: R & { retryAfter: boolean }) => boolean {
  return (response) => {
    try {
      return rule(response)
    } catch (error) {
      observeFailure(claimed, error)
      return otherwise === false ? false : judgeResponse(response) === 'store'
    }
  }
}

function pack({ settings, facts, attempt }: Claimed, head: WholeHead, body: Uint8Array | undefined): Packed {
  return packOr(settings.engine, attempt, () => {
    if (body === undefined || body.byteLength > settings.maxStoredBytes)
      throw new RetrysafeError(
        'value_too_large',
        `The response has more than ${settings.maxStoredBytes} bytes (maxStoredBytes).`,
      )
    const { status, statusText } = head
    const headers = storableHeaders(head.headers)
    const response = encodeResponse({ status, statusText, headers, origin: facts.header('origin')[0], body })
    return { kind: 'http', response }
  })
}

/** Ends the claim without a response. If that is not answered, its lease ends it. */
async function end(claimed: Claimed, verdict: Exclude<Verdict, 'store'>): Promise<Settlement> {
  const { attempt } = claimed
  try {
    if (verdict === 'uncertain') await attempt.giveUp()
    else if (verdict === 'release' && attempt.mayRelease) await attempt.release()
    else attempt.leave()
  } catch (error) {
    observeFailure(claimed, error)
  }
  return send
}

async function replaceByWinner(claimed: Claimed, lost: unknown): Promise<Settlement> {
  const winner = await findWinner(claimed.settings.engine, claimed.attempt)
  return { action: 'replace', answer: winnerAnswer(claimed, lost, winner) }
}

function winnerAnswer(
  { settings, facts, entry, currentHas }: Claimed,
  lost: unknown,
  winner: { kind: string; response: StoredValue } | undefined,
): Answer {
  try {
    if (winner !== undefined) return replayAnswer(settings, facts, entry.key, winner, currentHas)
    return refusal(settings, facts, asRetrysafeError(lost))
  } catch (error) {
    return refusal(settings, facts, asRetrysafeError(error))
  }
}

/** What a throw before the head means for the claim. */
function judgeFailure<Request>(
  settings: HttpSettings<Request>,
  error: unknown,
  clientLeft: boolean,
): Exclude<Verdict, 'store'> {
  if (isRetrysafeError(error, 'upstream_unreachable')) return 'release' // not one byte was sent
  if (isRetrysafeError(error, 'upstream_cut', 'upstream_timeout')) return 'leave' // unknown, as after a crash
  if (clientLeft) return 'leave'
  return settings.run.afterCrash === 'uncertain' ? 'uncertain' : 'release'
}
