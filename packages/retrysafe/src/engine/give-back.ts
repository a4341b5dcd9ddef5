import { isRetrysafeError } from '../contract/index.js'
import type { Alarm, Alarms } from './alarms.js'
import { isFinal } from './final-errors.js'
import type { OpenWork } from './open-work.js'
import type { RunSettings, Settings } from './settings.js'

/** A claim that may hold its key although nobody works under it. */
export interface IdleClaim {
  readonly storeKey: string
  readonly token: string
  readonly run: RunSettings
  /** Its `begin` was not answered and may still be on its way, so `lease_lost` is not the last word about it. */
  readonly mayLand: boolean
}

interface Kept extends IdleClaim {
  /** Before it is asked about again, after the store said that it does not hold the key. */
  backoffMs: number
  /** A drain waits for it no longer. */
  letDrain(): void
  /** Nobody asks about it any more. */
  forget(): void
}

const mostAtOnce = 4
/** More are not kept: the oldest are left to their leases. */
const mostKept = 10_000
const firstBackoffMs = 50
const slowestBackoffMs = 5000

/**
 * Releases idle claims until that is acknowledged, for two leases at most. All of an engine's stand in one queue, of
 * which a few are asked about at a time, with one pause for all while the store is down: an outage leaves thousands.
 *
 * A drain waits until a release was answered; under `afterCrash: 'uncertain'` as long as the claim may still land, since
 * nobody but an operator could free the key afterwards.
 */
export function createGiveBack(settings: Settings, alarms: Alarms, openWork: OpenWork): (claim: IdleClaim) => void {
  const kept = new Set<Kept>()
  const due = new Set<Kept>()
  let asking = 0
  let paused = false
  let pauseMs = firstBackoffMs
  const jittered = (ms: number): number => ms * (0.5 + settings.random() / 2)

  function giveBack(claim: IdleClaim): void {
    const [oldest] = kept
    if (kept.size >= mostKept) oldest?.forget()
    const added: Kept = { ...claim, backoffMs: firstBackoffMs, letDrain: openOnce(openWork), forget }
    const alarm = alarms.set(2 * claim.run.leaseMs, forget)
    function forget(): void {
      alarm.cancel()
      kept.delete(added)
      due.delete(added)
      added.letDrain()
    }
    kept.add(added)
    enqueue(added)
  }

  function enqueue(claim: Kept): void {
    if (kept.has(claim)) due.add(claim)
    askNext()
  }

  function askNext(): void {
    for (const claim of due) {
      if (paused || asking >= mostAtOnce) return
      due.delete(claim)
      asking += 1
      void ask(claim).then(() => {
        asking -= 1
        askNext()
      })
    }
  }

  async function ask(claim: Kept): Promise<void> {
    const answer = await answerOf(settings, alarms, claim)
    if (answer === 'none') {
      pause()
      return enqueue(claim)
    }
    pauseMs = firstBackoffMs
    if (answer === 'over' || !claim.mayLand) return claim.forget()
    if (claim.run.afterCrash !== 'uncertain') claim.letDrain()
    alarms.set(jittered(claim.backoffMs), () => enqueue(claim))
    claim.backoffMs = Math.min(claim.backoffMs * 2, slowestBackoffMs)
  }

  function pause(): void {
    if (paused) return
    paused = true
    alarms.set(jittered(pauseMs), () => {
      paused = false
      askNext()
    })
    pauseMs = Math.min(pauseMs * 2, slowestBackoffMs)
  }

  return giveBack
}

/** Opens work, and gives what closes it, at the first call only. */
function openOnce({ opened, closed }: OpenWork): () => void {
  let open = true
  opened()
  return () => {
    if (open) closed()
    open = false
  }
}

/** A call that does not end within a lease counts as not answered, or the others would wait for it. */
async function answerOf(
  { store }: Settings,
  alarms: Alarms,
  { storeKey, token, run }: IdleClaim,
): Promise<'over' | 'lost' | 'none'> {
  let alarm: Alarm | undefined
  const silence = new Promise<'none'>((resolve) => {
    alarm = alarms.set(run.leaseMs, () => resolve('none'))
  })
  try {
    return await Promise.race([store.release(storeKey, token).then(() => 'over' as const), silence])
  } catch (error) {
    if (isRetrysafeError(error, 'lease_lost')) return 'lost'
    return isFinal(error) ? 'over' : 'none'
  } finally {
    alarm?.cancel()
  }
}
