/** What the real server says about an operation; `unreachable` while nothing can be asked. */
export type RealState = 'real' | 'mock' | 'unreachable'

/** Which operations the real server answers itself, kept up to date. */
export interface RealServer {
  url: URL
  stateOf(operationId: string): RealState
  /** A request has just failed: asks again at once. */
  noticeFailure(): void
  stop(): void
}

/** What a description says: `x-implementation` of each operation, by operationId. */
export type Implementations = ReadonlyMap<string, 'real' | 'mock'>

/** Milliseconds. Between two looks at a server that answers, and at one that does not; and how long one look may take. */
const REFRESH_MS = 3_000
const RETRY_MS = 1_000
const LOOK_MS = 3_000

/** Throws an error with a sentence for people. */
export function readRealUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new Error(`${text} is not the URL of a server: write it as http://localhost:8000`)
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

/** Watches the server from now on; resolves after the first look, whatever it saw. */
export async function watchReal(url: URL, say: (line: string) => void): Promise<RealServer> {
  let known: Implementations | undefined
  let etag: string | undefined
  // Said once, not at each look.
  let isFaultSaid = false
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined
  let isStopped = false

  async function look(): Promise<void> {
    try {
      const answer = await fetchDescription(url, etag)
      if (answer !== 'unchanged') {
        report(answer.implementations)
        known = answer.implementations
        etag = answer.etag
      }
      isFaultSaid = false
    } catch (error) {
      known = undefined
      etag = undefined
      if (!isFaultSaid) say(`real server: ${(error as Error).message}; the mocks answer`)
      isFaultSaid = true
    }
  }

  function report(fresh: Implementations): void {
    const real = [...fresh.values()].filter((state) => state === 'real').length
    const before = known === undefined ? undefined : [...known.values()].filter((state) => state === 'real').length
    if (before !== real) say(`real server: ${url.origin} answers ${real} of ${fresh.size} operations itself`)
  }

  function lookNow(): Promise<void> {
    clearTimeout(timer)
    looking ??= look().finally(() => {
      looking = undefined
      if (isStopped) return
      timer = setTimeout(lookNow, known === undefined ? RETRY_MS : REFRESH_MS)
      timer.unref()
    })
    return looking
  }

  await lookNow()
  return {
    url,
    stateOf: (operationId) => (known === undefined ? 'unreachable' : (known.get(operationId) ?? 'mock')),
    noticeFailure: () => void lookNow(),
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

/** Throws an error that says what is wrong with the server's `/docs/openapi.json`. */
export async function fetchDescription(
  url: URL,
  etag?: string,
): Promise<'unchanged' | { implementations: Implementations; etag: string | undefined }> {
  const address = new URL('docs/openapi.json', url)
  const headers: Record<string, string> = etag ? { 'If-None-Match': etag } : {}
  const answer = await fetch(address, { headers, signal: AbortSignal.timeout(LOOK_MS) }).catch((error: Error) => {
    const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException
    throw new Error(`${address} cannot be reached (${code ?? message})`)
  })
  if (answer.status === 304) {
    await answer.body?.cancel()
    return 'unchanged'
  }
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${address} answers ${answer.status}, so nothing is known of its operations`)
  return { implementations: readImplementations(text, address), etag: answer.headers.get('etag') ?? undefined }
}

/** An operation that is described and not marked counts as real: if it is none, its 501 says so. */
function readImplementations(text: string, address: URL): Implementations {
  const implementations = new Map<string, 'real' | 'mock'>()
  try {
    const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, unknown>> }
    for (const item of Object.values(paths)) {
      for (const operation of Object.values(item)) {
        const { operationId, 'x-implementation': implementation } = operation as Record<string, unknown>
        if (typeof operationId === 'string')
          implementations.set(operationId, implementation === 'mock' ? 'mock' : 'real')
      }
    }
  } catch {
    throw new Error(`${address} is not an OpenAPI description`)
  }
  return implementations
}
