/* Finds what a machine or a writer left in the files of the project and what means nothing to its readers. */

/** @typedef {{ file: string, line: number, message: string }} Leak */

/** Words about how the project was made, and not about what it is. */
const asides = [
  /\bissues? #?\d+\b/i,
  /\b(?:this|last|previous|next|another|earlier|later) sessions?\b(?! (?:variable|cookie|id|store|token|time)s?\b)/i,
  /\bas an? (?:AI|language model)\b/i,
  /\b(?:the|my|our) brief\b/i,
]
const homes = /(?<![\w.~-])\/(?:root|home\/(?!node\b)\w+|Users\/\w+)\//

/**
 * @param {string} file
 * @param {string} text
 * @param {readonly string[]} machine paths and hosts of the machine at hand
 * @returns {Leak[]}
 */
export function findLeaks(file, text, machine) {
  return text.split('\n').flatMap((content, index) => {
    const found = machine.filter((one) => names(content, one)).map((one) => `a name of this machine: ${one}`)
    if (homes.test(content)) found.push('a path of some machine')
    if (leavesCheckout(file, content)) found.push('a path that leaves the checkout')
    if (asides.some((aside) => aside.test(content))) found.push('a word about how the project was made')
    return found.map((message) => ({ file, line: index + 1, message }))
  })
}

/**
 * Whether a text names a path or a host, and does not merely hold its letters within another.
 *
 * @param {string} text
 * @param {string} name
 */
function names(text, name) {
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1))
    if (!/[\w.~-]/.test(text[at - 1] ?? '')) return true
  return false
}

/**
 * Whether a relative path on this line leads out of the project.
 *
 * @param {string} file
 * @param {string} text
 */
function leavesCheckout(file, text) {
  const depth = file.split('/').length - 1
  return [...text.matchAll(/(?<![\w./$}])((?:\.\.\/)+)[\w.]/g)].some(([, up = '']) => up.length / '../'.length > depth)
}

/**
 * What a lock file says about where its packages came from: it must say nothing, so that each machine asks its own.
 *
 * @param {string} text
 * @returns {string[]}
 */
export function registriesOf(text) {
  return [...text.matchAll(/"resolved": "(https?:\/\/[^"]+)"/g)].map(([, url]) => url ?? '')
}
