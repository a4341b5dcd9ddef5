import { isRetrysafeError } from 'retrysafe'
import { type Reader, yesOrNo } from './values.js'

/** One setting: a flag on the command line, and an environment variable of the same name. */
export interface Flag<T> {
  /** Without its dashes: `max-run`. */
  readonly name: string
  /** What stands for the value in the help: `<duration>`. A switch has none. */
  readonly value?: string
  readonly help: string
  /** The heading in the help. */
  readonly group: string
  /** How the default is written. Absent: the help text says what happens without. */
  readonly shown?: string
  readonly fallback: T
  /** Gives the setting from its texts, of which a flag that may be repeated can have several. */
  read(texts: readonly string[], name: string): T
  readonly repeatable?: boolean
}

export type Flags<S> = { readonly [K in keyof S]: Flag<S[K]> }

export function single<T, D = T>(
  name: string,
  about: { value: string; help: string; group: string; shown?: string; fallback: D },
  read: Reader<T>,
): Flag<T | D> {
  return { name, ...about, read: (texts, shownName) => read(texts.at(-1) ?? '', shownName) }
}

export function repeated<T>(
  name: string,
  about: { value: string; help: string; group: string },
  read: Reader<T>,
): Flag<readonly T[]> {
  return {
    name,
    ...about,
    fallback: [],
    repeatable: true,
    read: (texts, shownName) => texts.map((text) => read(text, shownName)),
  }
}

export function toggle(name: string, help: string, group: string): Flag<boolean> {
  return { name, help, group, fallback: false, read: (texts, shownName) => yesOrNo(texts.at(-1) ?? '', shownName) }
}

/** `max-run` is `RETRYSAFE_MAX_RUN`. */
export function variableOf(name: string): string {
  return `RETRYSAFE_${name.toUpperCase().replaceAll('-', '_')}`
}

/** Texts by flag name, as the command line gave them. */
export type Given = Readonly<Record<string, string | boolean | readonly string[] | undefined>>
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The settings: the flag, else the environment, else the default. An empty variable is unset. Gives every problem at
 * once, a sentence each.
 */
export function readSettings<S extends object>(
  flags: Flags<S>,
  given: Given,
  environment: Environment,
): { settings: S } | { problems: readonly string[] } {
  const settings: Record<string, unknown> = {}
  const problems: string[] = []
  for (const [key, flag] of Object.entries(flags) as [string, Flag<unknown>][]) {
    try {
      settings[key] = readOne(flag, given[flag.name], environment[variableOf(flag.name)])
    } catch (error) {
      if (!isRetrysafeError(error)) throw error
      problems.push(error.message)
    }
  }
  return problems.length > 0 ? { problems } : { settings: settings as S }
}

function readOne<T>(flag: Flag<T>, given: Given[string], variable: string | undefined): T {
  if (given !== undefined) {
    const texts = typeof given === 'boolean' ? [String(given)] : typeof given === 'string' ? [given] : given
    return flag.read(texts, `--${flag.name}`)
  }
  if (variable === undefined || variable.trim() === '' || isServiceLink(variable)) return flag.fallback
  const texts = flag.repeatable ? variable.split(',').map((part) => part.trim()) : [variable.trim()]
  return flag.read(texts, variableOf(flag.name))
}

/**
 * Kubernetes tells every pod where the services of its namespace are: one named `retrysafe` puts
 * `RETRYSAFE_PORT=tcp://10.0.0.1:8080` here, which is not meant for us.
 */
function isServiceLink(variable: string): boolean {
  return /^(tcp|udp|sctp):\/\//.test(variable)
}
