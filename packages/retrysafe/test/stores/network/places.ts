import { afterAll, type TestContext } from 'vitest'
import { type Bench, freshPlace, type Handle, type HandleOptions, type Place } from './bench.js'

/** Places and handles of one file's tests. What was opened is closed and removed at the end, whatever happened. */
export interface Places {
  /** A place with what the store needs in it; skips the test where the engine cannot be had. */
  make(context: TestContext): Promise<Place>
  open(place: Place, options?: HandleOptions): Promise<Handle>
}

export function placesOf(bench: Bench): Places {
  const made: Place[] = []
  const handles: Handle[] = []
  afterAll(async () => {
    for (const handle of handles) await handle.close()
    for (const place of made) await bench.remove(place)
  })
  return {
    async make(context) {
      const url = await bench.url()
      if (url === undefined) return context.skip((await bench.missing()) ?? `${bench.name} is missing`)
      const place = freshPlace(url)
      made.push(place)
      await bench.prepare(place)
      return place
    },
    async open(place, options) {
      const handle = await bench.open(place, options)
      handles.push(handle)
      return handle
    },
  }
}
