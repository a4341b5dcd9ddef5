import { type IdempotencyEvent, isRetrysafeError } from 'retrysafe'
import { describeError, type Log, seldom } from './log.js'

/** Says of the events of the engine what somebody who runs the proxy should know. */
export function eventTeller(
  log: Log,
  monotonic: () => number,
  afterCrash: 'rerun' | 'uncertain',
): (event: IdempotencyEvent) => void {
  type About = Readonly<Record<string, unknown>>
  const refused = seldom(monotonic, (about: About) => log.warn('the store took no claim, so nothing ran', about))
  const failed = seldom(monotonic, (about: About) => log.warn('a request with a key failed', about))
  return (event) => {
    const about = describeEvent(event)
    if (event.type === 'taken_over') log.info('took over a key whose attempt had died', about)
    if (event.type === 'lost') log.warn('lost the lease: another attempt has the key', about)
    if (event.type === 'response_not_stored') log.warn(describeNotStored(event, afterCrash), about)
    if (event.type === 'uncertain') log.warn('a key is uncertain: see retrysafe keys list --status uncertain', about)
    if (event.type === 'refused' && event.error !== undefined) refused(about)
    if (event.type === 'failed' && !isRetrysafeError(event.error, ...toldElsewhere)) failed(about)
  }
}

/** Several connections break at once, and each of the tries to connect anew may fail. */
export function lossTeller(log: Log, monotonic: () => number): (error: unknown) => void {
  return seldom(monotonic, (error) =>
    log.warn('a connection to the store broke and will be made anew', { error: describeError(error) }),
  )
}

/** Failures of the upstream have a line each, and a lost lease an event of its own. */
const toldElsewhere = ['upstream_unreachable', 'upstream_cut', 'upstream_timeout', 'lease_lost'] as const

function describeEvent({ storeKey, attempt, error }: IdempotencyEvent): Readonly<Record<string, unknown>> {
  return {
    key: storeKey,
    ...(attempt === undefined ? {} : { attempt }),
    ...(error === undefined ? {} : { error: describeError(error) }),
  }
}

/** A response that cannot be kept completes its key all the same; anything else leaves it open. */
function describeNotStored({ error, durationMs }: IdempotencyEvent, afterCrash: 'rerun' | 'uncertain'): string {
  const isOver =
    error === undefined ||
    durationMs === undefined ||
    isRetrysafeError(error, 'value_too_large', 'value_not_serialisable')
  if (isOver) return 'the response was not stored; retries get 409'
  const fate = afterCrash === 'rerun' ? 'runs again' : 'gets 409 until somebody settles the key'
  return `the response is not stored: if that stays so, a retry after the lease ${fate}`
}
