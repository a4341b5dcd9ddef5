/* A script with no open sockets, whose process ends as soon as nothing keeps it alive: node script-child.js FAILURES */
import { createIdempotency } from '../../src/engine/index.js'
import { memoryStore } from '../../src/stores/memory.js'

const memory = memoryStore()
let failures = Number(process.argv[2])
const store: typeof memory = {
  ...memory,
  complete: (...args) => (failures-- > 0 ? Promise.reject(new Error('down')) : memory.complete(...args)),
}
const { run, drain } = createIdempotency({ store, leaseMs: 1000 })
console.log(await run('key', () => 'the response'))
if (Number.isFinite(failures)) {
  await drain()
  console.log((await memory.get('key'))?.status)
}
