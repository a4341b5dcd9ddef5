/** Wrappings of an error that are looked through. */
const maxCauses = 5

/**
 * A client's error as the cause of ours: its name, its message, its codes, and where it arose. What else stands in it is
 * left behind, since clients keep the command or the statement there, and with it the keys, tokens and responses of all
 * calls that shared it; whoever logs the error would log them too. One client puts them below its message as well.
 */
export function withoutValues(error: unknown, depth: number = maxCauses): Error {
  if (!(error instanceof Error)) return new Error(oneLine(String(error)))
  const { name, message, stack = '', code, errno, sqlState, cause, lastNodeError } = error as Error & Details
  // A client of a Cluster has tried its nodes in turn, and says of none why it failed but of the last.
  const beneath = cause ?? lastNodeError
  const bare = new Error(
    oneLine(message),
    beneath === undefined || depth === 0 ? undefined : { cause: withoutValues(beneath, depth - 1) },
  )
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  bare.stack = [`${name}: ${bare.message}`, ...frames].join('\n')
  const codes = Object.entries({ name, code, errno, sqlState })
  return Object.assign(bare, Object.fromEntries(codes.filter(([, told]) => isCode(told))))
}

interface Details {
  readonly code?: unknown
  readonly errno?: unknown
  readonly sqlState?: unknown
  readonly lastNodeError?: unknown
}

function isCode(told: unknown): boolean {
  return typeof told === 'string' || typeof told === 'number'
}

function oneLine(message: string): string {
  const [first = ''] = message.split('\n')
  return withoutPasswords(first)
}

/** A client may repeat the URL or the connection string by which it connects. */
export function withoutPasswords(message: string): string {
  return message.replaceAll(/\/\/[^\s/]*@/g, '//…@').replaceAll(/(password=)[^\s&;]+/gi, '$1…')
}
