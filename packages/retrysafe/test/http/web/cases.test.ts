/* With the requests and responses of `@hono/node-server`, which take the place of the platform's in this process. */
import { afterTextReaders, describeWeb } from './cases.js'
import { openFetch, openHono } from './harness.js'

const lacks = { reason: '@hono/node-server sends none of its light responses' }

/** It catches what its callback throws, and ends the response as if that were whole. */
const cut = 'hono/streaming ends a broken response as if it were whole'
const withoutCut = { [cut]: /^(a throw after the head|work that stops after its head)/ }

describeWeb([
  { name: 'fetch, whole', open: openFetch('light', 'whole'), isWhole: true, lacks },
  { name: 'fetch, as a stream', open: openFetch('light', 'stream'), isWhole: false, lacks },
  { name: 'Hono under app.use, whole', open: openHono('light', 'app.use', 'whole'), isWhole: true, lacks },
  { name: 'Hono on a route, as a stream', open: openHono('light', 'route', 'stream'), isWhole: false, lacks },
  {
    ...{ name: 'Hono after c.req.json()', open: openHono('light', 'after json', 'whole'), isWhole: true },
    ...{ lacks, without: afterTextReaders },
  },
  {
    ...{ name: 'Hono after c.req.text()', open: openHono('light', 'after text', 'whole'), isWhole: true },
    ...{ lacks, without: afterTextReaders },
  },
  { name: 'Hono after c.req.parseBody()', open: openHono('light', 'after parseBody', 'whole'), isWhole: true, lacks },
  {
    ...{ name: 'Hono, by hono/streaming', open: openHono('light', 'app.use', 'streaming'), isWhole: false },
    ...{ lacks: { ...lacks, cut }, without: withoutCut },
  },
])
