import { missing, type PostgresPair, startPostgresPair } from '@retrysafe/engines'
import pg from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { freshPlace, type Place } from './bench.js'
import { lostOf, startLoad } from './crashes.js'
import { patience } from './patience.js'
import { postgresBench } from './postgres-bench.js'

/** A primary that is killed and whose replica takes its place: what is lost is what had not arrived there. */
export function replicaSuite(): void {
  const pairs: PostgresPair[] = []
  afterAll(async () => {
    for (const pair of pairs) await pair.stop()
  })

  async function open(): Promise<{ pair: PostgresPair; place: Place }> {
    const pair = await startPostgresPair()
    pairs.push(pair)
    const place = freshPlace(pair.primary.url)
    await postgresBench.prepare(place)
    return { pair, place }
  }

  describe('a replica of PostgreSQL takes over', patience, () => {
    test('with synchronous_commit = remote_apply nothing acknowledged is lost', async (context) => {
      const reason = await missing('postgres')
      if (reason !== undefined) context.skip(reason)
      const { pair, place } = await open()
      await run(place.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
      await run(place.url, "ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
      await run(place.url, 'SELECT pg_reload_conf()')
      await until(place.url, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
      const handle = await postgresBench.open(place)
      const load = startLoad(handle.store)
      await load.until(600)
      await pair.primary.kill()
      const failures = await load.end()
      for (const failure of failures) expect(failure).toMatchObject({ code: 'store_unavailable' })
      await pair.replica.promote()
      const lost = await lostOf(postgresBench, { ...place, url: pair.replica.url }, load.acknowledged)
      console.log(
        `PostgreSQL, synchronous replica: ${lost.length} of ${load.acknowledged.length} acknowledged writes lost`,
      )
      expect(lost).toEqual([])
      await handle.close()
    })

    test('a replica that is asynchronous loses what it had not received, and such keys run again', async (context) => {
      const reason = await missing('postgres')
      if (reason !== undefined) context.skip(reason)
      const { pair, place } = await open()
      const handle = await postgresBench.open(place)
      await handle.store.begin('early', { token: 'mine' })
      await handle.store.complete('early', 'response', { token: 'mine' })
      const [{ lsn } = { lsn: '' }] = await run(place.url, 'SELECT pg_current_wal_lsn() AS lsn')
      await until(pair.replica.url, `SELECT 1 WHERE pg_last_wal_replay_lsn() >= '${lsn}'`)
      // It is away for a while, in which the primary dies.
      await pair.replica.kill()
      const load = startLoad(handle.store)
      await load.until(100)
      await pair.primary.kill()
      await load.end()
      await pair.replica.start()
      await pair.replica.promote()
      const there = await postgresBench.open({ ...place, url: pair.replica.url })
      const lost = await lostOf(postgresBench, { ...place, url: pair.replica.url }, load.acknowledged)
      console.log(`PostgreSQL, replica away: ${lost.length} of ${load.acknowledged.length} acknowledged writes lost`)
      expect(lost.length).toBe(load.acknowledged.length)
      expect(await there.store.begin('early')).toMatchObject({ status: 'completed', response: 'response' })
      await there.close()
      await handle.close()
    })
  })
}

async function run(url: string, sql: string): Promise<{ lsn: string }[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** Resolves once the statement gives a row. */
async function until(url: string, sql: string): Promise<void> {
  for (let tries = 1; (await run(url, sql)).length === 0; tries++) {
    if (tries === 1000) throw new Error(`It never came to this: ${sql}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
