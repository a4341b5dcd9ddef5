import { crashSuite } from '../network/crashes.js'
import { dynamodbBench } from '../network/dynamodb-bench.js'

// What the service itself survives cannot be shown on an emulator.
crashSuite(dynamodbBench, [], 90)
