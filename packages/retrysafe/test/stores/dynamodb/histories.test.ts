import { dynamodbBench } from '../network/dynamodb-bench.js'
import { historySuite } from '../network/histories.js'

// The emulator takes milliseconds for each request, all in one thread.
historySuite(dynamodbBench, { runs: 3 })
