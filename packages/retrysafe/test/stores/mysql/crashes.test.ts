import { startMariadb } from '@retrysafe/engines'
import { crashSuite } from '../network/crashes.js'
import { mysqlBench } from '../network/mysql-bench.js'

crashSuite(mysqlBench, [{ name: 'as it is by default', loses: 'nothing', start: () => startMariadb() }])
