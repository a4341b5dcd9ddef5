/*
 * Prisma weighs three hundred megabytes and its client is generated, so it is no dependency of this repository: in CI or
 * when asked for, it is installed beneath node_modules/.cache, and the tests of the PostgreSQL store find the generated
 * client by a variable.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, installInto } from './cache.mjs'
import { capture, root } from './command.mjs'

/** Names the folder with `client.js`, the generated client, and `adapter.js`; `install` asks for one. */
export const prismaVariable = 'RETRYSAFE_TEST_PRISMA'

const version = '7.10.0'
const prefix = cacheFolder(`prisma-${version}`)
const folder = join(prefix, 'client')

/** No model: the store sends SQL of its own. */
const schema = `generator client {
  provider = "prisma-client"
  output   = "./generated"
}
datasource db {
  provider = "postgresql"
}
`
const config = `import { defineConfig } from 'prisma/config'
export default defineConfig({ schema: 'schema.prisma', datasource: { url: 'postgres://localhost' } })
`

/** @returns {Promise<string | undefined>} the folder, or nothing (the reason is printed) */
export async function prisma() {
  const asked = process.env[prismaVariable]
  if (asked !== undefined && asked !== '' && asked !== 'install') return asked
  if (existsSync(join(folder, 'adapter.js'))) return folder
  if (asked !== 'install' && process.env.CI !== 'true') {
    console.log(`not tested: Prisma (${prismaVariable}=install npm test installs it)`)
    return undefined
  }
  console.log('installing Prisma beneath node_modules/.cache')
  const failure = await install()
  if (failure === undefined) return folder
  console.log(`not tested: Prisma (it cannot be installed here)\n${failure.trim().slice(-2000)}`)
  return undefined
}

/** @returns {Promise<string | undefined>} what went wrong */
async function install() {
  mkdirSync(prefix, { recursive: true })
  writeFileSync(join(prefix, 'package.json'), '{ "private": true, "type": "module" }\n')
  writeFileSync(join(prefix, 'schema.prisma'), schema)
  writeFileSync(join(prefix, 'prisma.config.ts'), config)
  const packages = ['prisma', '@prisma/client', '@prisma/adapter-pg'].map((name) => `${name}@${version}`)
  const failure = await installInto(prefix, packages)
  if (failure !== undefined) return failure
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const emit = '--ignoreConfig --noCheck --module nodenext --target es2023 --rootDir generated'
  // What files beneath node_modules import is not compiled unless it is named.
  const sources = ['client', 'enums', 'internal/class', 'internal/prismaNamespace'].map(
    (name) => `generated/${name}.ts`,
  )
  // The engine for migrations would be downloaded otherwise; to generate a client nobody asks it.
  const env = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' }
  for (const args of [
    ['node_modules/prisma/build/index.js', 'generate'],
    [compiler, ...emit.split(' '), '--outDir', folder, ...sources],
  ]) {
    const { code, stdout, stderr } = await capture(process.execPath, args, { cwd: prefix, env, timeoutMs: 600_000 })
    if (code !== 0) return `${stdout}${stderr}`
  }
  writeFileSync(join(folder, 'adapter.js'), "export { PrismaPg } from '@prisma/adapter-pg'\n")
  return undefined
}
