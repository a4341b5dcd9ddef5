/* The library as a child process can run it: compiled from its source just now, in a folder of its own. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript-5.9'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Compiles the stores, the named programs and what else they need; gives the folder under which they stand. */
export function compileInto(folder: string, programs: readonly string[], rooms: readonly string[] = []): string {
  const sources = ['src/contract', 'src/stores', ...rooms].flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map((file) => `${room}/${file}`),
  )
  for (const file of [...sources, ...programs]) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue
    const { outputText } = ts.transpileModule(readFileSync(join(root, file), 'utf8'), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true },
    })
    const target = join(folder, file.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, outputText)
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return folder
}
