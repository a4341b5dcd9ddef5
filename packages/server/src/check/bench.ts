import { randomUUID } from 'node:crypto'
import type { IdempotencyStore } from 'retrysafe'
import type { OpenedStore, OpenStore } from 'retrysafe/testkit'

/** A place of its own on the store under test, and what is known of the server. */
export interface Bench {
  readonly open: OpenStore
  /** What is left behind where cleaning fails, for a person to remove. */
  readonly scratch: string
  facts(): Promise<Facts>
  /** Removes everything, whatever was made, and ends every connection. */
  clean(): Promise<void>
}

export interface Facts {
  /** Its name and version. */
  readonly server: string
  readonly remarks: readonly Remark[]
}

/** A setting of the server that takes something from a promise. */
export interface Remark {
  /** `unsafe`: no one who keeps keys here wants this. `weaker`: what a restart or a crash takes, for the operator to know. */
  readonly level: 'unsafe' | 'weaker'
  /** As the server spells it: `fsync=off`. */
  readonly setting: string
  readonly meaning: string
}

/** A name that nobody else has, and by which an operator finds what a killed check left behind. */
export function scratchName(separator: string): string {
  return `retrysafe${separator}check${separator}${randomUUID().replaceAll('-', '').slice(0, 12)}`
}

export const instants: readonly string[] = ['lease_until', 'expires_at', 'created_at', 'updated_at', 'completed_at']

/** Clients that are used in turn, so that two handles next to each other never share connections. */
export interface InTurn<C> {
  next(): Promise<C>
  /** All there are, to be ended. */
  made(): Promise<readonly C[]>
}

export function inTurn<C>(make: () => Promise<C>): InTurn<C> {
  const making: Promise<C>[] = []
  let turn = 0
  return {
    next: () => {
      const at = turn++ % clientsInTurn
      const client = making[at] ?? make()
      making[at] = client
      return client
    },
    made: async () => {
      const settled = await Promise.allSettled(making)
      return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    },
  }
}

/** As many handles as a case has at most beside each other, and so few that a server in use does not feel them. */
const clientsInTurn = 3

/** What one opening of the store needs of its engine. */
export interface Opening {
  /** Another handle, as another process would have. Where connections carry state it has its own. */
  another(): Promise<IdempotencyStore>
  /** Keys of this opening begin with it. */
  readonly scratch: string
  age(key: string, ms: number): Promise<void>
  /** Absent where the engine removes what is over by itself, some time after. */
  stored?(): Promise<number>
  /** Removes the keys of this opening. */
  empty(): Promise<void>
  readonly limits?: OpenedStore['limits']
  readonly skewMs?: number | undefined
}

/** The store as the cases want it: handles are closed, and the keys of the opening removed, when it is closed. */
export async function openedOf(opening: Opening): Promise<OpenedStore> {
  const handles: IdempotencyStore[] = []
  const again = async (): Promise<IdempotencyStore> => {
    const store = await opening.another()
    handles.push(store)
    return store
  }
  const closeAll = async (): Promise<void> => {
    for (const store of handles.splice(0)) await store.close()
  }
  return {
    store: await again(),
    scratch: opening.scratch,
    age: opening.age,
    again,
    reopen: async () => {
      await closeAll()
      return again()
    },
    close: async () => {
      await closeAll()
      await opening.empty()
    },
    ...(opening.stored === undefined ? {} : { stored: opening.stored }),
    ...(opening.limits === undefined ? {} : { limits: opening.limits }),
    ...(opening.skewMs === undefined ? {} : { skewMs: opening.skewMs }),
  }
}
