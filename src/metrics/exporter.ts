import { createServer, type Server, type ServerResponse } from 'node:http'
import { exporterMetrics } from './catalogue.ts'
import { createMetrics, type Family } from './registry.ts'
import { type Format, render } from './render.ts'
import { addUp, FRESH_MS, openFolder, readFolder, retire } from './shards.ts'
import { isMetricsToken } from './token.ts'

const RETIRE_EVERY_MS = 15_000

/** Answers that are put together or wait for their turn. More are asked for by no Prometheus that is well. */
const MAX_WAITING = 5

export interface ExporterOptions {
  /** Where workers write. */
  folder: string
  /** Asked for where there is one. */
  token: string | null
}

/** Answers GET /metrics with the figures of all workers of the host: not listening yet. It needs no database. */
export async function createExporter({ folder, token }: ExporterOptions): Promise<Server> {
  await openFolder(folder)
  await retire(folder, Date.now())
  // One after the other: between a file's end and its being in the sums nobody reads.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }
  let waiting = 0
  const server = createServer((req, res) => {
    const path = req.url?.split('?', 1)[0]
    if (path === '/health/live' && req.method === 'GET') return answer(res, 200, 'alive')
    if (path !== '/metrics') return answer(res, 404, 'There is nothing at this path.')
    if (req.method !== 'GET' && req.method !== 'HEAD') return answer(res, 405, 'GET only.')
    if (token !== null && !isMetricsToken(req.headers.authorization, token))
      return answer(res, 401, 'The metrics token is asked for.')
    if (waiting >= MAX_WAITING) return answer(res, 503, 'Too many ask at once.')
    const format = /application\/openmetrics-text/i.test(req.headers.accept ?? '') ? 'openmetrics' : 'prometheus'
    waiting += 1
    inTurn(async () => render(await exportFigures(folder, Date.now()), format))
      .finally(() => {
        waiting -= 1
      })
      .then(
        (text) => answer(res, 200, text, format),
        () => answer(res, 500, 'The folder of metrics cannot be read.'),
      )
  })
  server.requestTimeout = 10_000
  server.headersTimeout = 5_000
  // Whatever is wrong with the folder, whoever asks is told.
  const tidy = () => void inTurn(() => retire(folder, Date.now())).catch(() => {})
  const timer = setInterval(tidy, RETIRE_EVERY_MS).unref()
  server.on('close', () => clearInterval(timer))
  return server
}

/** The sums, and what the exporter knows of the files. Gauges are of workers that live. */
export async function exportFigures(folder: string, nowMs: number): Promise<Family[]> {
  const { shards, retired, unreadable } = await readFolder(folder)
  const isFresh = ({ writtenMs }: { writtenMs: number }) => nowMs - writtenMs <= FRESH_MS
  const parts = shards.map((shard) =>
    isFresh(shard) ? shard.families : shard.families.filter(({ type }) => type !== 'gauge'),
  )
  const own = createMetrics(exporterMetrics)
  own.set('skd_exporter_workers', {}, shards.filter(isFresh).length)
  own.set('skd_exporter_shards', {}, shards.length)
  own.set('skd_exporter_unreadable_shards', {}, unreadable)
  own.add('skd_exporter_retired_total', {}, retired.count)
  return [...addUp([retired.families, ...parts]), ...(await own.read())]
}

const MEDIA_TYPES: Record<Format, string> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

function answer(res: ServerResponse, status: number, body: string, format?: Format): void {
  const headers = {
    'Content-Type': format === undefined ? 'text/plain; charset=utf-8' : MEDIA_TYPES[format],
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(status === 401 && { 'WWW-Authenticate': 'Bearer' }),
    ...(status === 405 && { Allow: 'GET, HEAD' }),
  }
  res.writeHead(status, headers)
  res.end(body)
}
