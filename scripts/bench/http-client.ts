// The load generator of `npm run bench -- http`, in a process of its own so that it can have a core of its own.
import autocannon from 'autocannon'

export interface ClientJob {
  url: string
  method: 'GET' | 'POST'
  body?: string
  headers?: Record<string, string>
  seconds: number
}

export interface ClientResult {
  /** Answered with 2xx. */
  ok: number
  /** Anything else: other statuses, errors, timeouts. */
  bad: number
  perSecond: number
  p99Ms: number
}

const CONNECTIONS = 50

async function run({ url, method, body, headers, seconds }: ClientJob): Promise<ClientResult> {
  const result = await autocannon({
    url,
    method,
    connections: CONNECTIONS,
    duration: seconds,
    ...(body !== undefined && { body }),
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
  })
  return {
    ok: result['2xx'],
    bad: result.non2xx + result.errors + result.timeouts,
    perSecond: result['2xx'] / result.duration,
    p99Ms: result.latency.p99,
  }
}

if (import.meta.main) {
  process.on('message', async (job: ClientJob) => {
    process.send?.(await run(job))
  })
  process.on('disconnect', () => process.exit(0))
}
