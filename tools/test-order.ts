import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The longest begin, so that no worker is left with one at the end. */
const first = /\/cases\.test\.ts$|\/packages\/server\/test\/(?:stores|cli|check)\.test\.ts$/
/** What kills processes or cuts connections comes last: nobody else is to wait beside it. */
const last = /(?:^|[/-])(?:crashes|faults|failover|outages|processes)\.test\.ts$/

/** In which third of the run a file comes: 0, 1 or 2. */
export function turnOf(path: string): number {
  return last.test(path) ? 2 : first.test(path) ? 0 : 1
}

/** Vitest's own order within each third: by how long files took last time. */
export class TestOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.sort((a, b) => turnOf(a.moduleId) - turnOf(b.moduleId))
  }
}
