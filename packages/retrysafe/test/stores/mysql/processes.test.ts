import { mysqlBench } from '../network/mysql-bench.js'
import { poolSuite } from '../network/pools.js'
import { processSuite } from '../network/processes.js'

processSuite(mysqlBench)
poolSuite(mysqlBench)
