import { startRedis } from '@retrysafe/engines'
import { crashSuite, type Durability } from '../network/crashes.js'
import { redisBench } from '../network/redis-bench.js'

/** What `appendfsync everysec` may lose: a second, and as long again while a write to the disk is slow. */
const everysecMs = 2000

const durabilities: readonly Durability[] = [
  {
    name: 'with appendfsync always',
    loses: 'nothing',
    start: () => startRedis({ settings: { appendonly: 'yes', appendfsync: 'always' } }),
  },
  {
    name: 'with appendfsync everysec',
    loses: { lastMs: everysecMs },
    start: () => startRedis({ settings: { appendonly: 'yes', appendfsync: 'everysec' } }),
  },
  {
    name: 'without persistence',
    loses: 'everything',
    start: () => startRedis({ settings: { appendonly: 'no', save: '' } }),
  },
]

crashSuite(redisBench, durabilities)
