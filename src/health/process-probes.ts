import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AppContext } from '../context.ts'
import type { ProblemItem } from '../problem/problem.ts'
import { getSchemaVersion, isWritable } from './queries.ts'
import { CheckFailed, createExpectedSchema, type Failed, round, tryCheck } from './readiness.ts'
import { createVerdict, type Measurement } from './verdict.ts'

const MEASUREMENT_MS = 400
const FIRST_MEASUREMENT_MS = 2_000
const CONFIRM_MS = 450

interface OwnMeasurement extends Measurement {
  checks: { name: string; durationMs: number }[]
  failed: ProblemItem[]
}

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
  const readiness = createVerdict({
    measure: (isFirst) => {
      const timeoutMs = isFirst ? FIRST_MEASUREMENT_MS : MEASUREMENT_MS
      return measure(ctx, { isHeard, expected: expectedSchema(), timeoutMs })
    },
    freshMs: ctx.config.probes.freshMs,
    confirmMs: CONFIRM_MS,
    onChange: ({ failed }) => {
      if (failed.length > 0) ctx.log.warn({ checks: failed }, 'not ready')
      else ctx.log.info('ready')
    },
  })
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
): Promise<OwnMeasurement> {
  const { lookup } = ctx.db.probe ?? ctx.db.main
  const deadline = performance.now() + timeoutMs
  const outcomes: ({ name: string; durationMs: number } | Failed)[] = [
    await tryCheck(
      ctx,
      'database',
      async () => {
        if (!(await isWritable(lookup))) throw new CheckFailed('The database is read-only.')
      },
      deadline,
    ),
  ]
  if (!outcomes.some((outcome) => 'pointer' in outcome)) {
    const schema = tryCheck(
      ctx,
      'schema',
      async () => {
        const [actual, needed] = await Promise.all([getSchemaVersion(lookup), expected])
        if (actual === null || actual < needed)
          throw new CheckFailed(`The database is at ${actual ?? 'nothing'}, this code needs ${needed}.`)
      },
      deadline,
    )
    const heartbeat =
      isHeard &&
      tryCheck(
        ctx,
        'heartbeat',
        async () => {
          if (!isHeard()) throw new CheckFailed('No sign of life of this worker has been stored for 15 s.')
        },
        deadline,
      )
    outcomes.push(await schema, ...(heartbeat === undefined ? [] : [await heartbeat]))
  }
  const failed = outcomes.filter((outcome): outcome is Failed => !isPassed(outcome))
  return {
    isGood: failed.length === 0,
    isCertain: failed.some(({ isCertain }) => isCertain),
    checks: outcomes.filter(isPassed).map(({ name, durationMs }) => ({ name, durationMs: round(durationMs) })),
    failed: failed.map(({ pointer, code, detail }) => ({ pointer, code, detail })),
  }
}

function isPassed<Passed extends { durationMs: number }>(outcome: Passed | Failed): outcome is Passed {
  return 'durationMs' in outcome
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
