import { historySuite } from '../network/histories.js'
import { mysqlBench } from '../network/mysql-bench.js'

historySuite(mysqlBench)
