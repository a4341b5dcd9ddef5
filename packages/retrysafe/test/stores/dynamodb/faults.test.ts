import { dynamodbBench } from '../network/dynamodb-bench.js'
import { faultSuite } from '../network/faults.js'

// The SDK sends a request again by itself.
faultSuite(dynamodbBench, { repeats: true, keys: 2 })
