/* Requests of the web whose body was read for its fingerprint, for whoever reads it next. */
import type { HttpRun } from '../../core/http-run.js'

/** Where a request keeps its run. */
const runKey: unique symbol = Symbol.for('retrysafe.run')

export function markRun(carrier: object, run: HttpRun): void {
  const marked = carrier as { [runKey]?: HttpRun }
  marked[runKey] = run
}

export function runOf(carrier: object): HttpRun | undefined {
  return (carrier as { [runKey]?: HttpRun })[runKey]
}

/**
 * The same request with its bytes unread and the signal of the operation instead of the client's.
 *
 * Some servers hand out light objects that only make a `Request` of the platform once somebody needs more than a body:
 * on Node that costs more than all the rest. Those get one of the same kind; any other gets a real one, which `fetch`
 * takes too.
 */
export function unread(original: Request, bytes: Uint8Array | undefined, run: HttpRun | undefined): Request {
  if (!isLight(original)) return withExtras(realRequest(original, bytes, run), original)
  const light: LightRequest = Object.create(lightPrototype(original))
  light[state] = { original, bytes, run, used: bytes === undefined && original.bodyUsed, real: undefined }
  return withOwn(light as unknown as Request, original)
}

/** What platforms add by a class of their own (`nextUrl`, `params`), and what others put on the request. */
function withExtras(made: Request, original: Request): Request {
  for (
    let at: object | null = Object.getPrototypeOf(original);
    at !== Request.prototype && at !== null;
    at = Object.getPrototypeOf(at)
  )
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name in made) continue
      Object.defineProperty(made, name, { configurable: true, get: () => memberOf(original, name) })
    }
  return withOwn(made, original)
}

function memberOf(original: Request, name: string): unknown {
  const value: unknown = Reflect.get(original, name)
  return typeof value === 'function' ? value.bind(original) : value
}

function withOwn(made: Request, original: Request): Request {
  for (const name of Object.keys(original)) {
    const own = Object.getOwnPropertyDescriptor(original, name)
    if (own !== undefined && !(name in made)) Object.defineProperty(made, name, own)
  }
  return made
}

function realRequest(original: Request, bytes: Uint8Array | undefined, run: HttpRun | undefined): Request {
  const signal = run?.operation().signal ?? original.signal
  if (bytes !== undefined) return new Request(original, { body: bytes as Uint8Array<ArrayBuffer>, signal })
  if (!original.bodyUsed && original.body?.locked !== true) return new Request(original, { signal })
  const { method, url, headers } = original // whoever has read it kept it
  return new Request(url, { method, headers, signal })
}

/** Whether objects of a prototype are light. */
const lightKinds = new WeakMap<object, boolean>()

function isLight(request: Request): boolean {
  const kind: unknown = Object.getPrototypeOf(request)
  if (kind === Request.prototype || typeof kind !== 'object' || kind === null) return false
  const known = lightKinds.get(kind) ?? !isNative(request)
  lightKinds.set(kind, known)
  return known
}

/** The platform's own getters refuse an object that only has their prototype. */
function isNative(request: Request): boolean {
  try {
    Reflect.get(Request.prototype, 'method', request)
    return true
  } catch {
    return false
  }
}

const state = Symbol('retrysafe.request')

interface LightState {
  readonly original: Request
  readonly bytes: Uint8Array | undefined
  readonly run: HttpRun | undefined
  used: boolean
  real: Request | undefined
}

interface LightRequest {
  [state]: LightState
}

let prototype: object | undefined

/** Getters stand on one prototype for all: on each object they would keep what they refer to in memory. */
function lightPrototype(original: Request): object {
  prototype ??= makePrototype(original)
  return prototype
}

function makePrototype(original: Request): object {
  const made: Record<PropertyKey, unknown> = Object.create(Request.prototype)
  const get = (name: PropertyKey, read: (light: LightState) => unknown): void => {
    Object.defineProperty(made, name, {
      configurable: true,
      get(this: LightRequest) {
        return read(this[state])
      },
    })
  }
  for (const name of ['method', 'url', 'headers'] as const) get(name, ({ original }) => original[name])
  get('signal', (light) => light.run?.operation().signal ?? light.original.signal)
  get('bodyUsed', ({ used, real }) => real?.bodyUsed ?? used)
  for (const name of realNames) get(name, (light) => Reflect.get(realOf(light), name))
  for (const [name, read] of Object.entries(readers))
    made[name] = async function (this: LightRequest): Promise<unknown> {
      const light = this[state]
      if (light.real !== undefined) return (light.real as unknown as Record<string, () => unknown>)[name]?.()
      if (light.used) throw new TypeError('Body is unusable: Body has already been read')
      light.used = light.bytes !== undefined
      return read(light.bytes ?? new Uint8Array())
    }
  for (const name of ['blob', 'formData', 'clone'] as const)
    made[name] = function (this: LightRequest): unknown {
      return realOf(this[state])[name]()
    }
  // By this the server that made the light object knows how to make a real one of it.
  const convert = symbolNamed(original, 'getRequestCache')
  if (convert !== undefined)
    made[convert] = function (this: LightRequest): Request {
      return realOf(this[state])
    }
  return made
}

const realNames = [
  ...['body', 'cache', 'credentials', 'destination', 'duplex', 'integrity', 'keepalive', 'mode', 'redirect'],
  ...['referrer', 'referrerPolicy'],
]

const readers: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  text: (bytes) => new TextDecoder().decode(bytes),
  json: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
  bytes: (bytes) => bytes.slice(),
  arrayBuffer: (bytes) => bytes.slice().buffer,
}

function realOf(light: LightState): Request {
  if (light.real === undefined) {
    const { original, bytes, run, used } = light
    const { method, url, headers } = original
    light.real = new Request(url, {
      method,
      headers,
      signal: run?.operation().signal ?? original.signal,
      ...(bytes === undefined ? {} : { body: bytes as Uint8Array<ArrayBuffer> }),
    })
    if (used) void light.real.arrayBuffer()
  }
  return light.real
}

function symbolNamed(object: object, description: string): symbol | undefined {
  for (let at: object | null = object; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const found = Object.getOwnPropertySymbols(at).find((symbol) => symbol.description === description)
    if (found !== undefined) return found
  }
  return undefined
}
