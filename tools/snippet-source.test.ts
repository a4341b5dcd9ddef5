import { expect, test } from 'vitest'
import { snippetsOfComments, snippetsOfMarkdown } from './snippet-source.mjs'

const fence = '```'
const messages = (found: { complaints: { line: number; message: string }[] }): string[] =>
  found.complaints.map(({ line, message }) => `${line}: ${message}`)

test('blocks of TypeScript are found with the line they stand on, in lists too', () => {
  const text = ['# Title', `${fence}ts`, 'const a = 1', fence, '- item', `  ${fence}ts`, '  const b = 1', `  ${fence}`]
  expect(snippetsOfMarkdown('README.md', text.join('\n'))).toEqual({
    snippets: [
      { file: 'README.md', line: 3, code: 'const a = 1' },
      { file: 'README.md', line: 7, code: 'const b = 1' },
    ],
    complaints: [],
  })
})

test('no block of code escapes by another name', () => {
  for (const info of ['ts fragment', 'typescript', 'js', 'javascript', 'ts no-check', 'mjs']) {
    const found = snippetsOfMarkdown('docs/stores/redis.md', [fence + info, 'a', fence].join('\n'))
    expect(messages(found)).toEqual([`1: write ${fence}ts, not ${fence}${info}: every block compiles`])
  }
  for (const info of ['sh', 'json', 'sql', 'http', 'text', ''])
    expect(snippetsOfMarkdown('README.md', [fence + info, 'a', fence].join('\n'))).toEqual({
      snippets: [],
      complaints: [],
    })
})

test('a decision may show a fragment, and nobody else', () => {
  const text = [`${fence}ts fragment`, 'a', fence].join('\n')
  expect(messages(snippetsOfMarkdown('docs/decisions/0002-rules.md', text))).toEqual([])
  expect(messages(snippetsOfMarkdown('docs/guarantees.md', text))).toHaveLength(1)
})

test('a block that tells the compiler to look away is refused', () => {
  const found = snippetsOfMarkdown('README.md', [`${fence}ts`, '// @ts-ignore', 'a', fence].join('\n'))
  expect(messages(found)).toEqual(['2: a block does not tell the compiler to look away'])
})

test('a block that is never closed is refused', () => {
  expect(messages(snippetsOfMarkdown('README.md', `${fence}sh\nls\n`))).toEqual(['1: this block is never closed'])
})

test('examples in doc comments are found on their own lines', () => {
  const text = [
    'const a = 1',
    '/**',
    ' * What.',
    ' *',
    ' * @example',
    ` * ${fence}ts`,
    " * import { storeKey } from 'retrysafe'",
    ' *',
    " * storeKey('a', {",
    ' *   scope: a,',
    ' * })',
    ` * ${fence}`,
    ' */',
  ]
  expect(snippetsOfComments('a.ts', text.join('\n'))).toEqual({
    snippets: [
      { file: 'a.ts', line: 7, code: "import { storeKey } from 'retrysafe'\n\nstoreKey('a', {\n  scope: a,\n})" },
    ],
    complaints: [],
  })
})

test('an example without a block is refused', () => {
  const found = snippetsOfComments('a.ts', '/**\n * What.\n * @example storeKey()\n */')
  expect(messages(found)).toEqual([`1: an @example needs a block that opens with ${fence}ts`])
})
