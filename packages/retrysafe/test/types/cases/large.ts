/* A result of 300 members, and deep ones, compile; one Date among them is found. */
import { createIdempotency, type IdempotencyStore, type JsonValue } from 'retrysafe'

declare const store: IdempotencyStore
const idempotency = createIdempotency({ store })

interface Wide {
  member1: number | null
  member2: readonly { id: string; tags?: string[] }[]
  member3: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member4: string
  member5: number | null
  member6: readonly { id: string; tags?: string[] }[]
  member7: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member8: string
  member9: number | null
  member10: readonly { id: string; tags?: string[] }[]
  member11: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member12: string
  member13: number | null
  member14: readonly { id: string; tags?: string[] }[]
  member15: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member16: string
  member17: number | null
  member18: readonly { id: string; tags?: string[] }[]
  member19: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member20: string
  member21: number | null
  member22: readonly { id: string; tags?: string[] }[]
  member23: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member24: string
  member25: number | null
  member26: readonly { id: string; tags?: string[] }[]
  member27: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member28: string
  member29: number | null
  member30: readonly { id: string; tags?: string[] }[]
  member31: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member32: string
  member33: number | null
  member34: readonly { id: string; tags?: string[] }[]
  member35: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member36: string
  member37: number | null
  member38: readonly { id: string; tags?: string[] }[]
  member39: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member40: string
  member41: number | null
  member42: readonly { id: string; tags?: string[] }[]
  member43: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member44: string
  member45: number | null
  member46: readonly { id: string; tags?: string[] }[]
  member47: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member48: string
  member49: number | null
  member50: readonly { id: string; tags?: string[] }[]
  member51: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member52: string
  member53: number | null
  member54: readonly { id: string; tags?: string[] }[]
  member55: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member56: string
  member57: number | null
  member58: readonly { id: string; tags?: string[] }[]
  member59: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member60: string
  member61: number | null
  member62: readonly { id: string; tags?: string[] }[]
  member63: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member64: string
  member65: number | null
  member66: readonly { id: string; tags?: string[] }[]
  member67: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member68: string
  member69: number | null
  member70: readonly { id: string; tags?: string[] }[]
  member71: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member72: string
  member73: number | null
  member74: readonly { id: string; tags?: string[] }[]
  member75: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member76: string
  member77: number | null
  member78: readonly { id: string; tags?: string[] }[]
  member79: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member80: string
  member81: number | null
  member82: readonly { id: string; tags?: string[] }[]
  member83: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member84: string
  member85: number | null
  member86: readonly { id: string; tags?: string[] }[]
  member87: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member88: string
  member89: number | null
  member90: readonly { id: string; tags?: string[] }[]
  member91: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member92: string
  member93: number | null
  member94: readonly { id: string; tags?: string[] }[]
  member95: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member96: string
  member97: number | null
  member98: readonly { id: string; tags?: string[] }[]
  member99: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member100: string
  member101: number | null
  member102: readonly { id: string; tags?: string[] }[]
  member103: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member104: string
  member105: number | null
  member106: readonly { id: string; tags?: string[] }[]
  member107: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member108: string
  member109: number | null
  member110: readonly { id: string; tags?: string[] }[]
  member111: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member112: string
  member113: number | null
  member114: readonly { id: string; tags?: string[] }[]
  member115: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member116: string
  member117: number | null
  member118: readonly { id: string; tags?: string[] }[]
  member119: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member120: string
  member121: number | null
  member122: readonly { id: string; tags?: string[] }[]
  member123: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member124: string
  member125: number | null
  member126: readonly { id: string; tags?: string[] }[]
  member127: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member128: string
  member129: number | null
  member130: readonly { id: string; tags?: string[] }[]
  member131: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member132: string
  member133: number | null
  member134: readonly { id: string; tags?: string[] }[]
  member135: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member136: string
  member137: number | null
  member138: readonly { id: string; tags?: string[] }[]
  member139: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member140: string
  member141: number | null
  member142: readonly { id: string; tags?: string[] }[]
  member143: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member144: string
  member145: number | null
  member146: readonly { id: string; tags?: string[] }[]
  member147: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member148: string
  member149: number | null
  member150: readonly { id: string; tags?: string[] }[]
  member151: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member152: string
  member153: number | null
  member154: readonly { id: string; tags?: string[] }[]
  member155: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member156: string
  member157: number | null
  member158: readonly { id: string; tags?: string[] }[]
  member159: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member160: string
  member161: number | null
  member162: readonly { id: string; tags?: string[] }[]
  member163: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member164: string
  member165: number | null
  member166: readonly { id: string; tags?: string[] }[]
  member167: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member168: string
  member169: number | null
  member170: readonly { id: string; tags?: string[] }[]
  member171: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member172: string
  member173: number | null
  member174: readonly { id: string; tags?: string[] }[]
  member175: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member176: string
  member177: number | null
  member178: readonly { id: string; tags?: string[] }[]
  member179: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member180: string
  member181: number | null
  member182: readonly { id: string; tags?: string[] }[]
  member183: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member184: string
  member185: number | null
  member186: readonly { id: string; tags?: string[] }[]
  member187: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member188: string
  member189: number | null
  member190: readonly { id: string; tags?: string[] }[]
  member191: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member192: string
  member193: number | null
  member194: readonly { id: string; tags?: string[] }[]
  member195: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member196: string
  member197: number | null
  member198: readonly { id: string; tags?: string[] }[]
  member199: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member200: string
  member201: number | null
  member202: readonly { id: string; tags?: string[] }[]
  member203: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member204: string
  member205: number | null
  member206: readonly { id: string; tags?: string[] }[]
  member207: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member208: string
  member209: number | null
  member210: readonly { id: string; tags?: string[] }[]
  member211: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member212: string
  member213: number | null
  member214: readonly { id: string; tags?: string[] }[]
  member215: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member216: string
  member217: number | null
  member218: readonly { id: string; tags?: string[] }[]
  member219: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member220: string
  member221: number | null
  member222: readonly { id: string; tags?: string[] }[]
  member223: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member224: string
  member225: number | null
  member226: readonly { id: string; tags?: string[] }[]
  member227: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member228: string
  member229: number | null
  member230: readonly { id: string; tags?: string[] }[]
  member231: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member232: string
  member233: number | null
  member234: readonly { id: string; tags?: string[] }[]
  member235: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member236: string
  member237: number | null
  member238: readonly { id: string; tags?: string[] }[]
  member239: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member240: string
  member241: number | null
  member242: readonly { id: string; tags?: string[] }[]
  member243: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member244: string
  member245: number | null
  member246: readonly { id: string; tags?: string[] }[]
  member247: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member248: string
  member249: number | null
  member250: readonly { id: string; tags?: string[] }[]
  member251: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member252: string
  member253: number | null
  member254: readonly { id: string; tags?: string[] }[]
  member255: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member256: string
  member257: number | null
  member258: readonly { id: string; tags?: string[] }[]
  member259: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member260: string
  member261: number | null
  member262: readonly { id: string; tags?: string[] }[]
  member263: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member264: string
  member265: number | null
  member266: readonly { id: string; tags?: string[] }[]
  member267: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member268: string
  member269: number | null
  member270: readonly { id: string; tags?: string[] }[]
  member271: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member272: string
  member273: number | null
  member274: readonly { id: string; tags?: string[] }[]
  member275: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member276: string
  member277: number | null
  member278: readonly { id: string; tags?: string[] }[]
  member279: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member280: string
  member281: number | null
  member282: readonly { id: string; tags?: string[] }[]
  member283: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member284: string
  member285: number | null
  member286: readonly { id: string; tags?: string[] }[]
  member287: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member288: string
  member289: number | null
  member290: readonly { id: string; tags?: string[] }[]
  member291: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member292: string
  member293: number | null
  member294: readonly { id: string; tags?: string[] }[]
  member295: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member296: string
  member297: number | null
  member298: readonly { id: string; tags?: string[] }[]
  member299: 'a' | 'b' | { nested: { deeper: { deepest: boolean } } }
  member300: string
}
interface Tree {
  name: string
  children: Tree[]
  parent?: Tree
}
/** JSON values are endless as a type; a member that holds one must not send the compiler down without end. */
interface Event {
  id: string
  payload: JsonValue
  headers: Record<string, JsonValue>
  parts: { meta?: JsonValue }[]
}
interface DatedTree {
  at: Date
  children: DatedTree[]
}
declare const wide: Wide
declare const tree: Tree
declare const event: Event
declare const dated: DatedTree
declare const json: Record<string, JsonValue>

export async function large(): Promise<void> {
  const one: Wide = await idempotency.run('key', async () => wide)
  const many: Wide[] = await idempotency.run('key', async () => [one, one])
  const nested: { deep: { wide: Wide[] } } = await idempotency.run('key', async () => ({ deep: { wide: many } }))
  const recursive: Tree = await idempotency.run('key', async () => tree)
  const eventful: Event = await idempotency.run('key', async () => event)
  const records: Record<string, JsonValue> = await idempotency.run('key', async () => json)
  const pair: [typeof nested, Tree, typeof records] = await idempotency.run(
    'key',
    async (): Promise<[typeof nested, Tree, typeof records]> => [nested, recursive, records],
  )
  void [pair, eventful]
  // @ts-expect-error One member of many is a Date.
  await idempotency.run('key', async () => ({ ...wide, at: new Date() }))
  // @ts-expect-error A Date beside a JSON value is found too.
  await idempotency.run('key', async () => ({ ...event, at: new Date() }))
  // @ts-expect-error Every node of the tree holds a Date.
  await idempotency.run('key', async () => dated)
}
