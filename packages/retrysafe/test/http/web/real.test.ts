/* With the platform's own requests and responses, as other runtimes have them. */
import { afterReaders, describeWeb } from './cases.js'
import { openFetch, openHono } from './harness.js'

describeWeb([
  { name: 'fetch, whole', open: openFetch('real', 'whole'), isWhole: true },
  { name: 'fetch, as a stream', open: openFetch('real', 'stream'), isWhole: false },
  { name: 'Hono on a route, whole', open: openHono('real', 'route', 'whole'), isWhole: true },
  { name: 'Hono on a route, as a stream', open: openHono('real', 'route', 'stream'), isWhole: false },
  {
    ...{ name: 'Hono after c.req.arrayBuffer()', open: openHono('real', 'after arrayBuffer', 'whole'), isWhole: true },
    without: afterReaders,
  },
])
