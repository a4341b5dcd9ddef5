import { historySuite } from '../network/histories.js'
import { postgresBench } from '../network/postgres-bench.js'

historySuite(postgresBench)
