type Say = (line: string) => void

/**
 * What a command comes to that starts platforms of its own and proves something on each: 0 all passed, 1 one did not, 2 one
 * could not be run. Reports go to stdout, progress to stderr. `choose` reads the arguments; null: help was asked for.
 */
export async function runEach(
  name: string,
  usage: () => string,
  choose: () => ((say: Say) => Promise<number>)[] | null,
): Promise<number> {
  const say: Say = (line) => void process.stderr.write(`${name}: ${line}\n`)
  try {
    const runs = choose()
    if (runs === null) {
      process.stdout.write(usage())
      return 0
    }
    let worst = 0
    for (const run of runs) worst = Math.max(worst, await run(say))
    return worst
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    if (process.env.DEBUG !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    return 2
  }
}

/** By name, in the order in which they are asked for; `all` is all of them. Throws for none, and for one that is not there. */
export function chooseByName<T>(what: string, all: Readonly<Record<string, T>>, asked: readonly string[]): T[] {
  const names = asked.join(' ') === 'all' ? Object.keys(all) : asked
  if (names.length === 0) throw new Error(`which ${what}? See --help`)
  return names.map((name) => {
    const found = Object.hasOwn(all, name) ? all[name] : undefined
    if (found === undefined) throw new Error(`there is no ${what} ${JSON.stringify(name)}; see --help`)
    return found
  })
}
