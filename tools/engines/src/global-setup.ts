import { type Broker, brokerVariable, startBroker } from './broker.js'
import { localEngines } from './engines.js'

let broker: Broker | undefined

/** Has one broker of engines for all test files of a run. No engine is started before one asks for it. */
export async function setup(): Promise<void> {
  // A run that is started by a test has the engines of the run that this test belongs to.
  if (process.env[brokerVariable] !== undefined) return
  broker = await startBroker(localEngines())
  process.env[brokerVariable] = broker.address
}

/** Ends the engines of the run. */
export async function teardown(): Promise<void> {
  if (broker === undefined) return
  delete process.env[brokerVariable]
  await broker.close()
}
