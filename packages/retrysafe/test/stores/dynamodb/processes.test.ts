import { dynamodbBench } from '../network/dynamodb-bench.js'
import { processSuite } from '../network/processes.js'

// The emulator takes milliseconds for each request, all in one thread.
processSuite(dynamodbBench, { raced: 50 })
