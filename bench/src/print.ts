import type { Row } from './measure.js'

/** Prints rows as they come, those of a suite below its name. */
export function printer(): (row: Row) => void {
  let suite = ''
  return (row) => {
    if (row.suite !== suite) console.log(`\n${row.suite}`)
    suite = row.suite
    const digits = { '/s': 0, µs: 1, ms: 2, MB: 1 }[row.unit]
    const callers = `${String(row.concurrency).padStart(4)} callers`
    const figure = `${number(row.median, digits).padStart(11)}${row.unit}`
    const ratio = `${number(row.ratio, 2).padStart(8)} x ${row.baseline.padEnd(38)}`
    console.log(`  ${callers} ${figure} ${ratio} ${row.subject.padEnd(38)}${detailsOf(row)}`)
  }
}

export function number(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

function detailsOf({ details }: Row): string {
  if (details === undefined) return ''
  const { p50Ms, p99Ms, cpuMicros, bytes } = details
  const cpu = cpuMicros === undefined ? '' : `, ${number(cpuMicros, 1)} µs CPU`
  const written = bytes === undefined ? '' : `, ${number(bytes, 0)} B written`
  return `p50 ${number(p50Ms, 3)} ms, p99 ${number(p99Ms, 3)} ms${cpu}${written}`
}
