import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { compareBootstrap } from './attribution/bootstrap.ts'
import { compareChannelGroups } from './attribution/channel-groups.ts'
import { compareDiagnostics } from './attribution/diagnostics.ts'
import { compareLookAlike } from './attribution/look-alike.ts'
import { comparePathData } from './attribution/path-data.ts'
import { compareToys } from './attribution/toys.ts'
import { isEqual, printTables, type Table, tablesToJson } from './table.ts'

interface Source {
  title: string
  parts: { about: string; compare: () => Table[] }[]
}

/** Compares all tables there are, prints them, and resolves to the exit code: 0 all equal, 1 not. */
export function verifyAttribution({ isJson, say }: { isJson: boolean; say: (line: string) => void }): number {
  const { title, parts } = chooseSource(process.env.SKELDIR_REFERENCE_DATA)
  say(title)
  const tables = parts.flatMap(({ about, compare }) => {
    say(about)
    return compare()
  })
  process.stdout.write(isJson ? tablesToJson(title, tables) : printTables(title, tables))
  return tables.every(isEqual) ? 0 : 1
}

/** The tables of the folder; without it, made-up journeys of our own. */
export function chooseSource(folder: string | undefined): Source {
  const lookAlike = { about: 'our own made-up journeys, beside slow exact methods', compare: compareLookAlike }
  if (folder === undefined || folder === '') {
    return { title: 'attribution, look-alike data: SKELDIR_REFERENCE_DATA is not set', parts: [lookAlike] }
  }
  const tables = join(folder, 'data', 'attribution')
  if (!existsSync(tables)) {
    return { title: `attribution, look-alike data: there is no ${tables}`, parts: [lookAlike] }
  }
  return {
    title: 'attribution, reference data',
    parts: [
      { about: 'PathData', compare: () => comparePathData(join(tables, 'pathdata')) },
      { about: 'toys', compare: () => compareToys(join(tables, 'toys')) },
      {
        about: 'bootstrap, 500 resamples',
        compare: () => compareBootstrap(join(tables, 'pathdata'), join(tables, 'diagnostics')),
      },
      { about: 'diagnostics', compare: () => compareDiagnostics(join(tables, 'diagnostics')) },
      { about: 'channel groups', compare: () => compareChannelGroups(join(tables, 'channel-groups')) },
      lookAlike,
    ],
  }
}
