import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node'

/** The reasons of skipped tests, with how many tests have them; `''` is the lack of one. */
export function countReasons(skipped: readonly Pick<TestCase, 'result'>[]): Map<string, number> {
  const reasons = new Map<string, number>()
  for (const test of skipped) {
    const result = test.result()
    const reason = result.state === 'skipped' ? (result.note ?? '') : ''
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  return reasons
}

/** Prints why tests were skipped. A skip without a reason fails the run: nobody would ever look at it again. */
export function skipReporter(): Reporter {
  let vitest: Vitest | undefined
  return {
    onInit(started) {
      vitest = started
    },
    onTestRunEnd(modules: readonly TestModule[]) {
      // A pattern on the command line skips all others, and that is no statement about them.
      if (vitest?.getGlobalTestNamePattern() !== undefined) return
      const skipped = modules.flatMap((module) => [...module.children.allTests('skipped')])
      for (const [reason, tests] of countReasons(skipped)) {
        console.log(`skipped ${tests}: ${reason === '' ? 'NO REASON GIVEN, which fails the run' : reason}`)
        if (reason === '') process.exitCode = 1
      }
      const without = skipped.filter((test) => countReasons([test]).has(''))
      for (const test of without) console.log(`  ${test.module.relativeModuleId}: ${test.fullName}`)
    },
  }
}
