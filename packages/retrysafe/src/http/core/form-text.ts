/* Text of bodies, and in which charset it came. */

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 without a byte order mark, which some parsers drop; undefined where it is none. */
export function readText(bytes: Uint8Array): string | undefined {
  try {
    const text = utf8.decode(bytes)
    return text.startsWith('\ufeff') ? undefined : text
  } catch {
    return undefined
  }
}

/** Whether a content type leaves no doubt that its text is UTF-8, of which ASCII is a part. */
export function isUnicode(contentType: string): boolean {
  return readCharset(contentType) !== 'other'
}

/**
 * The bytes of a text that a parser made, where these are certain: not under another charset, and not where it has
 * marks of what could not be decoded.
 */
export function bytesOfText(text: string, contentType: string): Uint8Array | undefined {
  const charset = readCharset(contentType)
  if (charset === 'other' || text.includes('\ufffd') || hasLoneSurrogate.test(text)) return undefined
  const bytes = new TextEncoder().encode(text)
  return charset === 'us-ascii' && bytes.length !== text.length ? undefined : bytes
}

const hasLoneSurrogate = /[\ud800-\udfff]/u

/** UTF-8 where none is named. */
function readCharset(contentType: string): 'utf-8' | 'us-ascii' | 'other' {
  const named = contentType.match(/charset/gi)?.length ?? 0
  if (named === 0) return 'utf-8'
  const charset = /;[ \t]*charset=("?)(utf-8|us-ascii)\1[ \t]*(?:;|$)/i.exec(contentType)?.[2]?.toLowerCase()
  if (named > 1 || charset === undefined) return 'other'
  return charset === 'utf-8' ? 'utf-8' : 'us-ascii'
}
