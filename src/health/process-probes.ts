import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AppContext } from '../context.ts'
import type { ProblemItem } from '../problem/problem.ts'
import {
  type Checked,
  CheckFailed,
  conclude,
  createBelief,
  createExpectedSchema,
  requireSchema,
  requireWritable,
  tryCheck,
} from './checks.ts'
import { getSchemaVersion } from './queries.ts'

export interface ProcessProbes {
  server: Server
  /** From now on it is not ready, whatever is measured. */
  startDraining(): void
}

/**
 * What orchestrators ask of a process that takes no requests: /health/live answers as long as the event loop turns, and
 * /health/ready where the process can do its work. Bodies are those of the API's probes. Not listening yet.
 * `isHeard`: of a worker, whether its signs of life arrive.
 */
export function createProcessProbes(ctx: AppContext, { isHeard }: { isHeard?: () => boolean } = {}): ProcessProbes {
  const expectedSchema = createExpectedSchema()
  let isDraining = false
  const readiness = createBelief(ctx, (timeoutMs) => measure(ctx, { isHeard, expected: expectedSchema(), timeoutMs }))
  const server = createServer(async (req, res) => {
    const path = req.url?.split('?', 1)[0]
    if (req.method !== 'GET' && req.method !== 'HEAD')
      return answer(res, 405, { status: 405, code: 'method_not_allowed' })
    if (path === '/health/live') return answer(res, 200, { status: 'alive' })
    if (path !== '/health/ready') return answer(res, 404, { status: 404, code: 'not_found' })
    if (isDraining) return answer(res, 503, notReady([DRAINING]))
    const { checks, failed } = await readiness.ask()
    if (failed.length > 0) return answer(res, 503, notReady(failed))
    const passed = checks.map(({ name, durationMs }) => ({ name, status: 'ok', duration_ms: durationMs }))
    answer(res, 200, { status: 'ready', checks: passed })
  })
  server.requestTimeout = 10_000
  server.headersTimeout = 5_000
  return {
    server,
    startDraining() {
      isDraining = true
    },
  }
}

const DRAINING: ProblemItem = {
  pointer: '/checks/draining',
  code: 'draining',
  detail: 'The process is going down: it finishes what it has begun.',
}

/** The database first: without it nothing can be said of the rest. */
async function measure(
  ctx: AppContext,
  {
    isHeard,
    expected,
    timeoutMs,
  }: { isHeard: (() => boolean) | undefined; expected: Promise<string>; timeoutMs: number },
): Promise<Checked> {
  const { lookup } = ctx.db.probe
  const deadline = performance.now() + timeoutMs
  const run = (name: string, check: () => Promise<void>) => tryCheck(ctx, name, check, deadline)
  const outcomes = [await run('database', () => requireWritable(lookup))]
  if (!outcomes.some((outcome) => 'pointer' in outcome)) {
    const schema = run('schema', async () => {
      const [actual, needed] = await Promise.all([getSchemaVersion(lookup), expected])
      requireSchema(actual, needed)
    })
    const heartbeat =
      isHeard &&
      run('heartbeat', async () => {
        if (!isHeard()) throw new CheckFailed('No sign of life of this worker has been stored for 15 s.')
      })
    outcomes.push(await schema, ...(heartbeat === undefined ? [] : [await heartbeat]))
  }
  return conclude(outcomes)
}

function notReady(errors: readonly ProblemItem[]) {
  const names = errors.map(({ pointer }) => pointer.replace('/checks/', '')).join(', ')
  return { title: 'Not ready', status: 503, code: 'not_ready', detail: `Not ready: ${names}.`, errors }
}

function answer(res: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  res.writeHead(status, {
    'Content-Type': status < 400 ? 'application/json' : 'application/problem+json',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(status === 405 && { Allow: 'GET, HEAD' }),
    ...(status === 503 && { 'Retry-After': '5' }),
  })
  res.end(text)
}
