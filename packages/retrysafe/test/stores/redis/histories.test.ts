import { historySuite } from '../network/histories.js'
import { redisBench } from '../network/redis-bench.js'

historySuite(redisBench)
