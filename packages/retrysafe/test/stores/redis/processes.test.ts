import { processSuite } from '../network/processes.js'
import { redisBench } from '../network/redis-bench.js'
import { wakeSuite } from '../network/wakes.js'

processSuite(redisBench)
wakeSuite(redisBench)
