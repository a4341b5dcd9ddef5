import { faultSuite } from '../network/faults.js'
import { redisBench } from '../network/redis-bench.js'

faultSuite(redisBench, { repeats: true, keys: 16 })
