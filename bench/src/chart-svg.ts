/* The chart: plain SVG, in colours that are readable on white and on black. */
import type { Report } from './chart.js'
import type { Row } from './measure.js'
import { number } from './print.js'
import { claiming, replaying } from './store-subjects.js'

/** The engines that the chart shows, in its order. dynalite is no DynamoDB: how fast it is says nothing. */
export const engineNames: Readonly<Record<string, string>> = {
  postgres: 'PostgreSQL',
  mysql: 'MariaDB',
  redis: 'Redis',
  sqlite: 'SQLite',
  memory: 'Memory',
}

const callers = 64
const gap = 40
const columnWidth = 420
const margin = 20
const barHeight = 8
const lineHeight = 36
const titleHeight = 34
const headHeight = 64
const footHeight = 46

/** As far from white as from nearly black. */
const ink = '#787f88'
const colours = { ours: '#2f81f7', raw: '#8f98a3', peer: '#c9803a' }

export function chartSvg({ machine, rows }: Report): string {
  const parts: string[] = []
  let top = headHeight
  for (const [engine, title] of Object.entries(engineNames)) {
    const panels = [claiming, replaying].map((does) => panelRows(rows, `${engine}: ${does}`))
    const most = Math.max(...panels.map(({ length }) => length))
    if (most === 0) continue
    for (const [index, panel] of panels.entries())
      parts.push(...drawPanel(panel, title, margin + index * (columnWidth + gap), top))
    top += titleHeight + most * lineHeight + 10
  }
  const width = margin * 2 + columnWidth * 2 + gap
  const height = top + footHeight
  const foot = [
    'The last column is the ratio to the bare engine within the same round.',
    `${machine.date}, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13" fill="${ink}">
<title>Operations per second at ${callers} callers</title>
${text(margin, 24, `Operations per second at ${callers} callers`, 'font-size="17" font-weight="600"')}
${text(margin, 48, 'Claim and completion of fresh keys', 'font-weight="600"')}
${text(margin + columnWidth + gap, 48, 'Replay of completed keys', 'font-weight="600"')}
${legend(width)}
${parts.join('\n')}
${foot.map((line, index) => text(margin, height - 28 + index * 16, line, 'font-size="11"')).join('\n')}
</svg>
`
}

/** One row a subject: the first, which is the one against the bare engine. */
function panelRows(rows: readonly Row[], suite: string): Row[] {
  const names = new Set<string>()
  return rows.filter((row) => {
    if (row.suite !== suite || row.concurrency !== callers || names.has(row.subject)) return false
    names.add(row.subject)
    return true
  })
}

function drawPanel(rows: readonly Row[], title: string, left: number, top: number): string[] {
  if (rows.length === 0) return []
  const most = Math.max(...rows.map(({ median }) => median))
  const lines = rows.flatMap((row, index) => {
    const y = top + titleHeight + index * lineHeight
    const colour = colours[kindOf(row.subject)]
    const weight = kindOf(row.subject) === 'ours' ? 'font-weight="600"' : ''
    const right = left + columnWidth
    const length = Math.max((row.median / most) * columnWidth, 1)
    return [
      text(left, y, row.subject, weight),
      text(right - 62, y, `${number(row.median, 0)}/s`, `text-anchor="end" ${weight}`),
      text(right, y, `× ${ratioOf(row.ratio)}`, `text-anchor="end" ${weight}`),
      `<rect x="${left}" y="${y + 6}" width="${length.toFixed(1)}" height="${barHeight}" rx="2" fill="${colour}"/>`,
    ]
  })
  return [text(left, top + 10, title, 'font-size="14" font-weight="600"'), ...lines]
}

function ratioOf(ratio: number): string {
  return number(ratio, ratio < 10 ? 2 : 0)
}

function kindOf(subject: string): keyof typeof colours {
  if (/^\w+Store\b/.test(subject)) return 'ours'
  return /^(raw|pgbench)\b/.test(subject) ? 'raw' : 'peer'
}

function legend(width: number): string {
  const entries = [
    { kind: 'ours', label: 'Retrysafe', right: 275 },
    { kind: 'raw', label: 'the bare engine', right: 180 },
    { kind: 'peer', label: 'another library', right: 50 },
  ] as const
  return entries
    .map(({ kind, label, right }) => {
      const x = width - margin - 75 - right
      return `<rect x="${x}" y="14" width="12" height="12" rx="2" fill="${colours[kind]}"/>\n${text(x + 17, 24, label, 'font-size="12"')}`
    })
    .join('\n')
}

function text(x: number, y: number, words: string, attributes = ''): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x}" y="${y}" ${attributes.trim()}>${escaped}</text>`.replace(' >', '>')
}
