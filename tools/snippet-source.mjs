/* Finds the TypeScript blocks in Markdown and in doc comments. */

/**
 * @typedef {{ file: string, line: number, code: string }} Snippet `line` is the one of the block's first line of code
 * @typedef {{ file: string, line: number, message: string }} Complaint
 * @typedef {{ snippets: Snippet[], complaints: Complaint[] }} Found
 */

const typescript = /^(?:ts|typescript|tsx|js|javascript|jsx|mjs|mts|cjs|cts)\b/

/**
 * The blocks of a Markdown file. A block of TypeScript or JavaScript that is not marked with plain `ts` is a complaint,
 * so that none escapes the compiler; in decisions, which show what was turned down too, `ts fragment` is let pass.
 *
 * @param {string} file
 * @param {string} text
 * @returns {Found}
 */
export function snippetsOfMarkdown(file, text) {
  return snippetsOfLines(file, text.split('\n'), 0)
}

/**
 * The blocks in the doc comments of a source file. An `@example` without a block is a complaint.
 *
 * @param {string} file
 * @param {string} text
 * @returns {Found}
 */
export function snippetsOfComments(file, text) {
  /** @type {Found} */
  const found = { snippets: [], complaints: [] }
  for (const comment of text.matchAll(/\/\*\*.*?\*\//gs)) {
    const before = text.slice(0, comment.index).split('\n').length - 1
    const lines = comment[0].split('\n').map((line) => line.replace(/^\s*(?:\/\*\*|\*\/|\* ?)/, ''))
    const inside = snippetsOfLines(file, lines, before)
    found.snippets.push(...inside.snippets)
    found.complaints.push(...inside.complaints)
    const examples = lines.filter((line) => line.startsWith('@example')).length
    if (examples > inside.snippets.length)
      found.complaints.push({ file, line: before + 1, message: 'an @example needs a block that opens with ```ts' })
  }
  return found
}

/**
 * @param {string} file
 * @param {readonly string[]} lines
 * @param {number} before how many lines of the file stand before these
 * @returns {Found}
 */
function snippetsOfLines(file, lines, before) {
  /** @type {Found} */
  const found = { snippets: [], complaints: [] }
  for (let index = 0; index < lines.length; index += 1) {
    const opening = /^(\s*)(`{3,}|~{3,})\s*(.*?)\s*$/.exec(lines[index] ?? '')
    if (opening === null) continue
    const [, indent = '', fence = '', info = ''] = opening
    const end = lines.findIndex((line, at) => at > index && line.trim() === fence)
    const code = lines.slice(index + 1, end === -1 ? lines.length : end)
    const line = before + index + 2
    if (end === -1) found.complaints.push({ file, line: line - 1, message: 'this block is never closed' })
    if (info === 'ts') keep(found, { file, line, code: code.map((text) => unindent(text, indent)).join('\n') })
    else if (typescript.test(info) && !isFragmentOfDecision(file, info))
      found.complaints.push({
        file,
        line: line - 1,
        message: `write \`\`\`ts, not \`\`\`${info}: every block compiles`,
      })
    index = end === -1 ? lines.length : end
  }
  return found
}

/**
 * @param {Found} found
 * @param {Snippet} snippet
 */
function keep(found, snippet) {
  const { file, line, code } = snippet
  found.snippets.push(snippet)
  if (/@ts-(?:ignore|nocheck)/.test(code))
    found.complaints.push({ file, line, message: 'a block does not tell the compiler to look away' })
}

/**
 * @param {string} file
 * @param {string} info
 */
function isFragmentOfDecision(file, info) {
  return info === 'ts fragment' && file.startsWith('docs/decisions/')
}

/**
 * @param {string} text
 * @param {string} indent
 */
function unindent(text, indent) {
  return text.startsWith(indent) ? text.slice(indent.length) : text
}
