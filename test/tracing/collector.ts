import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** A span as OTLP's JSON has it; attributes as an object. */
export interface ReceivedSpan {
  service: string
  name: string
  kind: number
  traceId: string
  spanId: string
  parentSpanId: string
  attributes: Record<string, string | number>
  links: { traceId: string; spanId: string }[]
  isFailed: boolean
}

export interface Collector {
  url: string
  spans: () => ReceivedSpan[]
  /** Everything that came, as it came. */
  text: () => string
  /** What it is asked from now on. */
  answer: (status: number) => void
  requests: () => number
}

interface Value {
  stringValue?: string
  intValue?: number | string
}
type Attributes = { key: string; value: Value }[]

const toObject = (attributes: Attributes = []) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
  ) as ReceivedSpan['attributes']

const SERVICE = 'service.name'

/** A receiver of OTLP over HTTP, as a collector has it. */
export async function startCollector(): Promise<Collector> {
  const bodies: string[] = []
  let status = 200
  let requests = 0
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    requests += 1
    const isWellFormed = req.method === 'POST' && req.url === '/v1/traces'
    if (isWellFormed && status === 200) bodies.push(Buffer.concat(chunks).toString())
    res.writeHead(isWellFormed ? status : 404, { 'Content-Type': 'application/json' }).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    text: () => bodies.join('\n'),
    answer: (next) => {
      status = next
    },
    requests: () => requests,
    spans: () =>
      bodies.flatMap((body) =>
        JSON.parse(body).resourceSpans.flatMap((part: { resource: { attributes: Attributes }; scopeSpans: Scope[] }) =>
          part.scopeSpans.flatMap((scope) =>
            scope.spans.map(({ attributes, links = [], status: how, parentSpanId = '', ...span }) => ({
              ...span,
              parentSpanId,
              service: String(toObject(part.resource.attributes)[SERVICE]),
              attributes: toObject(attributes),
              links: links.map(({ traceId, spanId }) => ({ traceId, spanId })),
              isFailed: how?.code === 2,
            })),
          ),
        ),
      ),
  }
}

interface Scope {
  spans: (Omit<ReceivedSpan, 'service' | 'attributes' | 'isFailed'> & {
    attributes?: Attributes
    status?: { code?: number }
  })[]
}
