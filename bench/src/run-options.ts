/** What a suite is told by the command line. */
export interface RunOptions {
  /** Names of parts of a suite; without any, all of them. */
  readonly only?: readonly string[] | undefined
  /** Few, short rounds: to see that the suite runs, not how fast anything is. */
  readonly quick?: boolean | undefined
  /** How many keys `growth` stores. */
  readonly keys?: number | undefined
}
