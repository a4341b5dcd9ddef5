import { afterAll, beforeAll, describe } from 'vitest'
import type { OpenStore } from '../../../src/testkit/store-case.js'
import { storeCaseSuite } from '../network/store-cases.js'
import {
  type Client,
  createWorld,
  olderPgPool,
  pgConnection,
  pgliteClient,
  pgPool,
  pooledPg,
  pooledPostgresJs,
  postgresJsPool,
  type World,
  type WorldOptions,
} from './open.js'

const mib = 1024 * 1024
/** PGlite compiles a database first, which takes long beside other tests. */
const slowestStartMs = 240_000
const most = { maxValueBytes: 128 * mib }

contractOn(pgPool, { listens: true, ...most })
contractOn(pgPool, { coalesce: false, listens: true })
contractOn(pgPool, { isolation: 'repeatable read' })
contractOn(pgPool, { isolation: 'serializable' })
contractOn(olderPgPool, { listens: true })
contractOn(pgConnection, { listens: true })
contractOn(postgresJsPool, { listens: true, ...most })
contractOn(pgliteClient, { listens: true })
contractOn(pooledPg, {})
contractOn(pooledPostgresJs, {})

function contractOn(client: Client, options: WorldOptions): void {
  const { coalesce = true, isolation } = options
  const words = [client.name, isolation, coalesce ? undefined : 'without coalescing']
  describe(words.filter((word) => word !== undefined).join(', '), () => {
    let world: World | undefined
    beforeAll(async () => {
      if ((await client.missing()) === undefined) world = await createWorld(client, options)
    }, slowestStartMs)
    afterAll(() => world?.close())
    const open: OpenStore = async () => {
      if (world === undefined) throw new Error('There is no such server here.')
      return world.open()
    }
    storeCaseSuite(client.name, open, () => client.missing())
  })
}
