/* What must never be printed. Every text that a driver had a hand in goes through `redact` before anybody sees it. */

/** In all the spellings that a driver could repeat. They are few: one store a process. */
const secrets = new Set<string>()

/** Remembers a password, so that `redact` finds it in any text from now on. */
export function keepSecret(password: string): void {
  // The name of the program is in its own messages all the time, whatever a password is.
  if (password === '' || password === 'retrysafe') return
  const encoded = encodeURIComponent(password)
  const escaped = JSON.stringify(password).slice(1, -1)
  for (const spelling of [password, encoded, encoded.toLowerCase(), escaped, encodeURI(password)]) secrets.add(spelling)
}

/**
 * The text without passwords: those that `keepSecret` was told, and whatever stands where a URL, a connection string or
 * a parameter has one. The text may be a URL or any message. Advice on how a URL is written has USER:PASSWORD in it.
 */
export function redact(text: string): string {
  let shown = text
  // Longer spellings first: one may contain another.
  for (const secret of [...secrets].sort((a, b) => b.length - a.length))
    shown = isWord(secret) ? shown.replaceAll(wordOf(secret), hidden) : shown.replaceAll(secret, hidden)
  return shown
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/)(?!USER:PASSWORD@)\S*@/gi, `$1${hidden}@`)
    .replaceAll(
      /\b(pass(?:word|wd|phrase)?|pwd)(["']\s*:\s*|\s*=\s*)(?:"[^"]*"|'[^']*'|[^\s&;,"']+)/gi,
      `$1$2${hidden}`,
    )
}

const hidden = '…'

/** A password that is a plain word would tear holes into other words: it is hidden where it stands alone. */
function isWord(secret: string): boolean {
  return /^\w{1,11}$/.test(secret)
}

function wordOf(word: string): RegExp {
  return new RegExp(`(?<!\\w)${word}(?!\\w)`, 'g')
}
