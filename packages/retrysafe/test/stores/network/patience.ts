/** Slow machines have as long as they need; only what hangs ends here. */
export const patience = { timeout: 180_000 }

const longestCallMs = 45_000

/** The same, but rejects where it has no end: it then says what hung, which the time limit of a test does not. */
export async function ending<T>(what: string, call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const hung = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} has no end after ${longestCallMs / 1000} s`)), longestCallMs)
  })
  try {
    return await Promise.race([call, hung])
  } finally {
    clearTimeout(timer)
  }
}
