import { relative } from 'node:path'
import packageJson from '../../package.json' with { type: 'json' }
import type { Platform } from './platform.ts'

/** What `npm start` prints when the API answers. */
export function banner({ urls, postgres, mocks, databaseUrl, pids }: Platform, tookMs: number): string {
  const shown = new URL(databaseUrl)
  const here = (path: string) => {
    const short = relative(process.cwd(), path)
    return short === '' || short.startsWith('..') ? path : short
  }
  const rows: [string, string][] = [
    ['API', urls.api],
    ['Console', urls.console],
    ['Docs', urls.docs],
    ['Mocks', describeMocks(mocks)],
    ['Health', urls.health],
    [
      'Database',
      postgres === null
        ? `your own: ${shown.host}${shown.pathname}`
        : `embedded PostgreSQL ${postgres.version} on port ${postgres.port}, data in ${here(postgres.dataDir)}`,
    ],
    [
      'Processes',
      Object.entries(pids)
        .filter(([, pid]) => pid !== null)
        .map(([name, pid]) => `${name} ${pid}`)
        .join(', '),
    ],
    [
      'Logs',
      `warnings appear below, --verbose shows all${postgres === null ? '' : `; Postgres: ${here(postgres.logFile)}`}`,
    ],
    ['Stop', 'Ctrl-C'],
  ]
  const lines = rows.map(([name, value]) => `  ${name.padEnd(10)} ${value}`)
  return `\nSkeldir ${packageJson.version} is ready after ${(tookMs / 1000).toFixed(1)} s\n\n${lines.join('\n')}\n\n`
}

/** They are slower than the API, and nobody waits for them. */
function describeMocks(mocks: Platform['mocks']): string {
  if (mocks === null) return 'none'
  if (mocks.url !== null) return mocks.url
  return mocks.expectedUrl === null
    ? 'starting on free ports; a line below will tell'
    : `${mocks.expectedUrl} (starting; a line below will tell)`
}
