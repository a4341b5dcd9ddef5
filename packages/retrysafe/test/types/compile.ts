import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const modules = fileURLToPath(new URL('../../../../node_modules/', import.meta.url))

/** The compilers that the types are promised to work with, by the folders they are installed in. */
export type Compiler = 'typescript' | 'typescript-5.9'

/** Compiles a project and gives the compiler's complaints: `''` where it has none. */
export function compile(compiler: Compiler, project: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const args = [`${modules}${compiler}/bin/tsc`, '-p', project, '--pretty', 'false']
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk
      })
    child.once('error', reject)
    child.once('close', (code) => {
      if (code !== 0 && output === '') reject(new Error(`${compiler} ended with ${code} and said nothing`))
      else resolve(code === 0 ? '' : output)
    })
  })
}
