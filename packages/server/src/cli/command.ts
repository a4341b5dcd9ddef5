import { type Command, Option } from 'commander'
import { type Flag, type Flags, type Given, variableOf } from './flags.js'

/** Puts the flags on the command, as texts: they are read together with the environment afterwards. */
export function addFlags<S extends object>(command: Command, flags: Flags<S>): void {
  for (const flag of Object.values(flags) as Flag<unknown>[]) {
    const shown = flag.shown === undefined ? '' : ` (default: ${flag.shown})`
    const spelled = flag.value === undefined ? `--${flag.name}` : `--${flag.name} ${flag.value}`
    const option = new Option(spelled, `${flag.help}${shown}`).helpGroup(flag.group)
    if (flag.repeatable) option.argParser((text: string, before: string[] = []) => [...before, text])
    command.addOption(option)
  }
}

/** What the command line gave, by flag name. */
export function givenBy<S extends object>(command: Command, flags: Flags<S>): Given {
  const options = command.opts<Record<string, string | boolean | readonly string[] | undefined>>()
  const given: Record<string, string | boolean | readonly string[] | undefined> = {}
  for (const flag of Object.values(flags) as Flag<unknown>[]) given[flag.name] = options[camelOf(flag.name)]
  return given
}

/** How commander names `--max-run`. */
function camelOf(name: string): string {
  return name.replace(/-([a-z])/g, (_match, letter: string) => letter.toUpperCase())
}

/** The help's list of variables: every flag is one. */
export function describeVariables<S extends object>(flags: Flags<S>): string {
  const names = Object.values(flags as Record<string, Flag<unknown>>).map((flag) => variableOf(flag.name))
  const rows: string[] = []
  for (const name of names) {
    const last = rows.at(-1)
    if (last !== undefined && last.length + name.length < 96) rows[rows.length - 1] = `${last} ${name}`
    else rows.push(`  ${name}`)
  }
  return rows.join('\n')
}
