import { faultSuite } from '../network/faults.js'
import { postgresBench } from '../network/postgres-bench.js'

faultSuite(postgresBench)
