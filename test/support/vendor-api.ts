import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Vendor } from '../../src/context.ts'
import type { Outbound } from '../../src/outbound.ts'

/** What the double gives out on a page, so that a handful of things needs several. */
const PAGE = 2

export const CREDENTIALS: Readonly<Record<Vendor, Record<string, string>>> = {
  stripe: { api_key: 'rk_live_only_for_tests' },
  paypal: { client_id: 'client', client_secret: 'client-secret' },
  shopify: { access_token: 'shpat_only_for_tests' },
  woocommerce: { consumer_key: 'ck_test', consumer_secret: 'cs_test' },
}

export interface VendorApi {
  origin: string
  /** What it lists: JSON texts, in the order of the list. */
  resources: string[]
  /** Answered in turn before anything else. */
  faults: { status: number; headers?: Record<string, string>; body?: string }[]
  /** Targets of the requests that were let in. */
  asked: URL[]
  close: () => Promise<void>
}

/** A vendor's list API on loopback: its paths, its ways of paging and of signing in, and nothing else. */
export async function startVendorApi(vendor: Vendor): Promise<VendorApi> {
  const resources: string[] = []
  const faults: VendorApi['faults'] = []
  const asked: URL[] = []
  const api = { origin: '', resources, faults, asked }
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', api.origin)
    const fault = faults.shift()
    if (fault !== undefined) return void response.writeHead(fault.status, fault.headers).end(fault.body ?? '{}')
    await ANSWERS[vendor](api, url, request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  api.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(api, {
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  })
}

type Answer = (
  api: Pick<VendorApi, 'origin' | 'resources' | 'asked'>,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<void> | void

const basic = ([user, password]: string[]) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

function send(response: ServerResponse, body: string, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body)
}

const ANSWERS: Record<Vendor, Answer> = {
  stripe({ resources, asked }, url, { headers }, response) {
    if (headers.authorization !== `Bearer ${CREDENTIALS.stripe.api_key}`) return void response.writeHead(401).end('{}')
    if (url.pathname !== '/v1/events') return void response.writeHead(404).end('{}')
    asked.push(url)
    const after = url.searchParams.get('starting_after')
    const start = after === null ? 0 : resources.findIndex((one) => one.includes(`"${after}"`)) + 1
    const page = resources.slice(start, start + PAGE)
    send(
      response,
      `{"object":"list","data":[${page}],"has_more":${start + PAGE < resources.length},"url":"/v1/events"}`,
    )
  },
  async paypal({ origin, resources, asked }, url, request, response) {
    if (url.pathname === '/v1/oauth2/token') {
      const isKnown = request.headers.authorization === basic(Object.values(CREDENTIALS.paypal))
      if (!isKnown || (await text(request)) !== 'grant_type=client_credentials')
        return void response.writeHead(401).end('{}')
      return send(response, '{"access_token":"A21-token","token_type":"Bearer","expires_in":32400}')
    }
    if (request.headers.authorization !== 'Bearer A21-token') return void response.writeHead(401).end('{}')
    if (url.pathname !== '/v1/notifications/webhooks-events') return void response.writeHead(404).end('{}')
    asked.push(url)
    const start = Number(url.searchParams.get('next_page_token') ?? 0)
    const next = new URL(url)
    next.searchParams.set('next_page_token', String(start + PAGE))
    const links =
      start + PAGE < resources.length ? `,{"href":"${origin}${next.pathname}${next.search}","rel":"next"}` : ''
    const page = resources.slice(start, start + PAGE)
    send(response, `{"events":[${page}],"count":${page.length},"links":[{"href":"${origin}","rel":"self"}${links}]}`)
  },
  shopify({ origin, resources, asked }, url, { headers }, response) {
    if (headers['x-shopify-access-token'] !== CREDENTIALS.shopify.access_token)
      return void response.writeHead(401).end('{}')
    if (!/^\/admin\/api\/\d{4}-\d\d\/orders\.json$/.test(url.pathname)) return void response.writeHead(404).end('{}')
    asked.push(url)
    const start = Number(url.searchParams.get('page_info') ?? 0)
    const isMore = start + PAGE < resources.length
    const link = `<${origin}${url.pathname}?limit=${PAGE}&page_info=${start + PAGE}>; rel="next"`
    send(response, `{"orders":[${resources.slice(start, start + PAGE)}]}`, isMore ? { link } : {})
  },
  woocommerce({ resources, asked }, url, { headers }, response) {
    if (headers.authorization !== basic(Object.values(CREDENTIALS.woocommerce)))
      return void response.writeHead(401).end('{}')
    if (url.pathname !== '/wp-json/wc/v3/orders') return void response.writeHead(404).end('{}')
    asked.push(url)
    const ask = (name: string) => url.searchParams.get(name) ?? ''
    const excluded = ask('exclude').split(',')
    const at = (order: Listed) => Date.parse(`${order.date_modified_gmt}Z`)
    const listed = resources
      .map((text) => ({ text, order: JSON.parse(text) as Listed }))
      .filter(
        ({ order }) => at(order) > Date.parse(ask('modified_after')) && at(order) < Date.parse(ask('modified_before')),
      )
      .filter(({ order }) => !excluded.includes(String(order.id)))
      .sort((one, other) => at(one.order) - at(other.order))
      .map(({ text }) => text)
    const pages = Math.max(1, Math.ceil(listed.length / PAGE))
    send(response, `[${listed.slice(0, PAGE)}]`, {
      'x-wp-total': String(listed.length),
      'x-wp-totalpages': String(pages),
    })
  },
}

interface Listed {
  id: number
  date_modified_gmt: string
}

/** To the doubles and to nobody else: production calls public addresses only. */
export const toLoopback: Outbound = async ({ method, url, headers, body, timeoutMs }) => {
  if (url.hostname !== '127.0.0.1') throw new Error(`a test calls ${url.hostname}`)
  const signal = AbortSignal.timeout(timeoutMs)
  const response = await fetch(url, { method, headers, body: body === undefined ? null : new Uint8Array(body), signal })
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: Buffer.from(await response.arrayBuffer()),
  }
}
