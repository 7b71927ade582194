import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { AppContext, RequestContext } from '../context.ts'
import { createContext } from '../main/context.ts'
import { describeViews, estimateViewRows, refreshView } from '../rollups/service.ts'
import { isView, viewNames } from '../rollups/views.ts'
import { requireTenant } from '../tenants/operator.ts'
import { print } from './admin/print.ts'
import { readConfig, UsageError } from './environment.ts'

const HELP = `What is kept ready to read, and how far it is behind its data.

  skeldir views [--json]
      each view with its target, how far it is behind, its rows (as the server's statistics have them) and its last refresh
  skeldir views refresh [VIEW] [--tenant S] [--json]
      makes again what is behind, now; without VIEW every one of them, without --tenant for every tenant

  VIEW  ${viewNames.join(', ')}

Workers refresh every view twice a minute. A refresh writes what has changed and nothing else; one that somebody else is at
is skipped. Exit codes: 0 done or skipped, 1 a view could not be refreshed.
`

/** `skeldir views`. */
export async function runViews(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { tenant: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const [verb, view, ...rest] = positionals
  const { json = false, tenant } = values
  if (rest.length > 0 || (verb !== undefined && verb !== 'refresh'))
    throw new UsageError(`there is no "views ${positionals.join(' ')}"`)
  if (view !== undefined && !isView(view)) throw new UsageError(`a view is one of ${viewNames.join(', ')}`)
  if (verb === undefined && tenant !== undefined) throw new UsageError('--tenant belongs to "views refresh"')

  const config = { ...readConfig(), logLevel: 'error' as const }
  const ctx = createContext(config, 'app_worker', 'views')
  try {
    if (verb === undefined) {
      await showViews(ctx, json)
      return 0
    }
    const tenantId = tenant === undefined ? undefined : await findTenant(config, tenant)
    const scope: RequestContext = { ...ctx, correlationId: randomUUID(), clientAddress: null }
    const options = { signal: new AbortController().signal, ...(tenantId !== undefined && { tenantId }) }
    const items = []
    for (const name of view === undefined ? viewNames : [view]) items.push(await refreshView(scope, name, options))
    print(
      {
        columns: ['view', 'outcome', 'tenants', 'parts', 'ms', 'message'],
        items: items.map(({ view: name, outcome, tenants, buckets, durationMs, error }) => ({
          view: name,
          outcome,
          tenants,
          parts: buckets,
          ms: Math.round(durationMs),
          message: error?.message ?? null,
        })),
      },
      json,
    )
    return items.some(({ outcome }) => outcome === 'failure') ? 1 : 0
  } finally {
    await ctx.close()
  }
}

async function findTenant(config: ReturnType<typeof readConfig>, slug: string): Promise<string> {
  const provisioning = createContext(config, 'app_rw', 'views')
  try {
    return await requireTenant(provisioning, slug)
  } finally {
    await provisioning.close()
  }
}

async function showViews(ctx: AppContext, json: boolean): Promise<void> {
  const [states, rows] = await Promise.all([describeViews(ctx), estimateViewRows(ctx)])
  print(
    {
      columns: [
        'view',
        'target_seconds',
        'behind_seconds',
        'stale',
        'rows',
        'last_refresh',
        'outcome',
        'ms',
        'message',
      ],
      items: states.map(({ view, holds, staleAfterS, behindS, isStale, changedBuckets, lastRefresh }) => ({
        view,
        holds,
        target_seconds: staleAfterS,
        behind_seconds: Math.round(behindS),
        stale: isStale ? 'yes' : 'no',
        parts_behind: changedBuckets,
        rows: rows[view],
        last_refresh: lastRefresh?.finishedAt.toISOString() ?? null,
        last_success: lastRefresh?.succeededAt?.toISOString() ?? null,
        outcome: lastRefresh?.outcome ?? null,
        ms: lastRefresh === null ? null : +lastRefresh.finishedAt - +lastRefresh.startedAt,
        message: lastRefresh?.message ?? null,
      })),
    },
    json,
  )
}
