/** What every gate is given. */
export interface GateOptions {
  seed: number
  /** A small run for CI, of half a minute or so. */
  isSmoke: boolean
  isJson: boolean
  /** One line of progress. */
  say: (line: string) => void
}

export interface Gate {
  about: string
  /** Prints a table to stdout. The exit code: 0 passed, 1 failed. Throws when it could not be run. */
  run: (options: GateOptions) => Promise<number>
}
