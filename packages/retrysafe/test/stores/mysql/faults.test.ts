import { faultSuite } from '../network/faults.js'
import { mysqlBench } from '../network/mysql-bench.js'

faultSuite(mysqlBench)
