/** What is meant by the codes of a machine's network. */
const meanings: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens at its address',
  ECONNRESET: 'the connection was reset',
  EHOSTUNREACH: 'its machine cannot be reached',
  ENETUNREACH: 'its network cannot be reached',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of its host cannot be looked up now',
  ETIMEDOUT: 'it does not answer',
}

/**
 * The reason in one line. What the network says is looked for among the causes, since clients wrap it in words of theirs,
 * or in none at all. Redact it before it is shown.
 */
export function reasonOf(error: unknown): string {
  const code = networkCode(error)
  if (code !== undefined) return `${meanings[code]} (${code}).`
  const message = error instanceof Error ? error.message : String(error)
  const meant = sayings.find(([said]) => message.includes(said))?.[1]
  if (meant !== undefined) return meant
  return message.split('\n')[0] || 'no reason was given.'
}

/** What ioredis means, in words for whoever runs it. */
const sayings: readonly (readonly [said: string, meant: string])[] = [
  ["Stream isn't writeable", 'there is no connection to it now; one is being made.'],
  ['Failed to refresh slots cache', 'no node of the cluster answers.'],
  ['All sentinels are unreachable', 'no sentinel answers, or none knows the master by that name.'],
]

const maxCauses = 5

function networkCode(error: unknown): string | undefined {
  for (let at = error, depth = 0; typeof at === 'object' && at !== null && depth < maxCauses; depth++) {
    // The nodes of a cluster and the sentinels are tried in turn, and the last one's reason is as good as any.
    const { code, cause, lastNodeError, lastError } = at as Readonly<Record<string, unknown>>
    if (typeof code === 'string' && Object.hasOwn(meanings, code)) return code
    at = cause ?? lastNodeError ?? lastError
  }
  return undefined
}
