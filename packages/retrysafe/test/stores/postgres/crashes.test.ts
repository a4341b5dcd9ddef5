import { startPostgres } from '@retrysafe/engines'
import { crashSuite } from '../network/crashes.js'
import { postgresBench } from '../network/postgres-bench.js'
import { replicaSuite } from '../network/postgres-replicas.js'

crashSuite(postgresBench, [{ name: 'as it is by default', loses: 'nothing', start: () => startPostgres() }])
replicaSuite()
