import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Bench } from './bench.js'
import { openHandle } from './sqlite-handle.js'

export const sqliteBench: Bench = {
  name: 'SQLite',
  url: async () => join(mkdtempSync(join(tmpdir(), 'retrysafe-network-')), 'retrysafe.db'),
  missing: async () => undefined,
  open: openHandle,
  handle: 'test/stores/network/sqlite-handle.ts',
  prepare: async () => undefined,
  remove: async ({ url }) => rmSync(dirname(url), { recursive: true, force: true }),
}
