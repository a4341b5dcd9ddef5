/* SQLite is no store on a network, but several processes share its file; and what is wrong with a suite shows here too. */
import { crashSuite } from './crashes.js'
import { historySuite } from './histories.js'
import { processSuite } from './processes.js'
import { sqliteBench } from './sqlite-bench.js'

historySuite(sqliteBench)
processSuite(sqliteBench)
crashSuite(sqliteBench)
