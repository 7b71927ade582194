/** What every run is given. */
export interface FaultOptions {
  seed: number
  /** How often a process is killed. */
  kills: number
  /** How often Postgres crashes. */
  restarts: number
  /** The short run. */
  isSmoke: boolean
  isJson: boolean
  /** One line of progress. */
  say: (line: string) => void
}

export interface FaultRun {
  about: string
  /** How many kills without `--kills`. */
  kills?: { usual: number; smoke: number }
  /** Prints a table to stdout. The exit code: 0 nothing lost or doubled, 1 something. Throws when it could not be run. */
  run: (options: FaultOptions) => Promise<number>
}
