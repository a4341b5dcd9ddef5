/*
 * A run of its own, for tests of how runs end: does what its first argument says, with the engines that are named
 * after it, and says on a line what it has.
 */
import { dynamodbUrl, missing, postgresUrl, redisUrl, startPostgres, stopEngines } from '@retrysafe/engines'

const urls = { postgres: postgresUrl, redis: redisUrl, dynamodb: dynamodbUrl, killed: killedUrl }

const [what = '', ...names] = process.argv.slice(2)
const engines = /** @type {(keyof typeof urls)[]} */ (names)
const addresses = await Promise.all(engines.map((name) => urls[name]()))
const reasons = await Promise.all(engines.map((name) => (name === 'killed' ? undefined : missing(name))))
console.log(JSON.stringify({ addresses, reasons }))

// Waits until it is told to end, by the end of its input or by a signal.
if (what === 'wait') for await (const _ of process.stdin);
if (what !== 'leave') await stopEngines()

async function killedUrl() {
  const server = await startPostgres()
  await server.kill()
  return server.url
}
