import { poolSuite } from '../network/pools.js'
import { postgresBench } from '../network/postgres-bench.js'
import { processSuite } from '../network/processes.js'
import { wakeSuite } from '../network/wakes.js'

processSuite(postgresBench)
poolSuite(postgresBench)
wakeSuite(postgresBench)
