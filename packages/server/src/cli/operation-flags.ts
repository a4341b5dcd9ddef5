import { type Flags, single } from './flags.js'
import { duration, oneOf, portOrOff, text } from './values.js'

const second = 1000
const minute = 60 * second
const day = 24 * 60 * minute

const operation = 'Operation:'

export interface OperationSettings {
  adminPort: number | 'off'
  adminHost: string
  purgeEveryMs: number
  drainMs: number
  log: 'json' | 'lines' | 'off'
}

/** How the proxy runs and is watched. */
export const operationFlags: Flags<OperationSettings> = {
  adminPort: single(
    'admin-port',
    {
      value: '<port>',
      group: operation,
      shown: '8081',
      fallback: 8081,
      help: 'where /-/healthz and /-/readyz answer, or off',
    },
    portOrOff,
  ),
  adminHost: single(
    'admin-host',
    {
      value: '<address>',
      group: operation,
      shown: '127.0.0.1',
      fallback: '127.0.0.1',
      help: 'address of the admin port; probes from outside need another one',
    },
    text,
  ),
  purgeEveryMs: single(
    'purge-every',
    {
      value: '<duration>',
      group: operation,
      shown: '1m',
      fallback: minute,
      help: 'how often records past their retention are deleted; 0 never',
    },
    duration(0, day, 'from 0 to 24h'),
  ),
  drainMs: single(
    'drain',
    {
      value: '<duration>',
      group: operation,
      shown: '25s',
      fallback: 25 * second,
      help: 'on SIGTERM: how long work in flight may take to finish',
    },
    duration(0, day, 'from 0s to 24h'),
  ),
  log: single(
    'log',
    {
      value: '<format>',
      group: operation,
      shown: 'json',
      fallback: 'json' as const,
      help: 'a line for each request with a key and for what befalls the proxy: json, lines (shorter, to read), or off (warnings too)',
    },
    oneOf('json', 'lines', 'off'),
  ),
}
