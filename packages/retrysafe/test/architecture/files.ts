import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { nodeOnly } from './rules.js'

/** The folder of the checkout, with a slash at its end. */
export const repository: string = fileURLToPath(new URL('../../../../', import.meta.url))

/** The sources of both packages without their tests, by their path in the checkout. */
export function sourceFiles(): string[] {
  return ['packages/retrysafe/src', 'packages/server/src'].flatMap((folder) =>
    readdirSync(`${repository}${folder}`, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
      .sort(),
  )
}

/** The sources that must do without Node. */
export function neutralFiles(): string[] {
  return sourceFiles().filter((path) => !nodeOnly.some((pattern) => pattern.test(path)))
}
