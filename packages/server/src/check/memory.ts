import { type Clock, systemClock } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { type Bench, scratchName } from './bench.js'

/** Nothing but the process itself: time is moved by its clock. */
export function memoryBench(): Bench {
  const scratch = `${scratchName('-')}/`
  return {
    scratch: 'nothing',
    open: async () => {
      let aheadMs = 0
      const clock: Clock = { ...systemClock, now: () => systemClock.now() + aheadMs }
      const store = memoryStore({ clock })
      return {
        store,
        scratch,
        age: async (_key, ms) => {
          aheadMs += ms
        },
        again: async () => store,
        close: () => store.close(),
      }
    },
    facts: async () => ({
      server: `memory of this process (Node ${process.versions.node})`,
      remarks: [
        {
          level: 'weaker',
          setting: 'memory',
          meaning: 'every key is gone when the process ends; no other process sees it',
        },
      ],
    }),
    clean: async () => {},
  }
}
