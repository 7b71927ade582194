import type { Server } from 'node:http'
import { join } from 'node:path'
import pino from 'pino'
import { sendProblem } from '../src/http/reply.ts'
import { closeServer, listenable } from '../src/http/server.ts'
import { createStaticRoutes, type StaticRoute } from '../src/http/static-routes.ts'
import { answerMocked } from './answer.ts'
import { checkConfig, type MockConfig } from './config.ts'
import { loadMockContract, type MockContract } from './contract.ts'
import { answerCors } from './cors.ts'
import { createInjector } from './inject.ts'
import { type FailedPort, listen } from './listen.ts'
import { readRealUrl, watchReal } from './real.ts'
import { type ReceptionOptions, receive } from './reception.ts'
import { readRegistry, requireRegistered } from './registry.ts'
import { describeChange, watchContract } from './reload.ts'
import { createShadow } from './shadow.ts'
import { createSite, type Site } from './site.ts'
import { type Door, openVisit } from './visit.ts'

export type { MockConfig } from './config.ts'
export type { FailedPort } from './listen.ts'

export interface MockOptions {
  /** Folder that `npm run generate` has written. Default: that of this repository. */
  contracts?: string
  /** Those of the registry, or any that are free. Default: the former. */
  ports?: 'registry' | 'free'
  /** File with the ports. Default: `mocks/registry.json`. */
  registry?: string
  /** Address to listen at. Default: 127.0.0.1. */
  host?: string
  /** URL of a server that answers what it implements. */
  real?: string
  /** Milliseconds that the real server may stay silent. Default: 10,000. */
  realTimeoutMs?: number
  /** The mock answers, the real server is asked too, and `say` gets what differs. */
  shadow?: boolean
  /** Also asks what changes something on the real server. */
  shadowWrites?: boolean
  config?: MockConfig
  /** Follows changes of the contract's sources. Default: no. */
  watch?: boolean
  /** Of the repository whose sources are watched. Default: this one. */
  root?: string
  /** Gets what happens, one line at a time. */
  say?: (line: string) => void
  /** Pages of the gateway. Default: those of the API. */
  staticRoutes?: readonly StaticRoute[]
}

export interface MockHost {
  /** Empty where its port could not be opened. */
  gatewayUrl: string
  /** By domain, such as `auth` or `webhooks-stripe`; without those whose port could not be opened. */
  urls: Readonly<Record<string, string>>
  failed: readonly FailedPort[]
  stop(): Promise<void>
}

const DEFAULT_REAL_TIMEOUT_MS = 10_000
/** Milliseconds for what is being answered when the host stops. */
const STOP_MS = 1_000

/**
 * A mock per domain and a gateway for all of them, in this process. A port that is taken leaves its mock out and the others
 * running. Throws when the contract, the configuration or an option is wrong: then nothing runs.
 */
export async function startMocks(options: MockOptions = {}): Promise<MockHost> {
  const { say = () => {}, root = join(import.meta.dirname, '..') } = options
  const contract = loadMockContract(options.contracts)
  const registry = readRegistry(options.registry)
  requireRegistered(registry, [...contract.bundles.keys()])
  const realUrl = options.real === undefined ? undefined : readRealUrl(options.real)
  if (options.shadow && realUrl === undefined) throw new Error('shadow mode needs the URL of a real server')
  const config = options.config && checkConfig(options.config, Object.keys(contract.source.operations))
  const urls = new Map<string | null, string>()
  let isClosing = false

  const real = realUrl && (await watchReal(realUrl, say))
  const realTimeoutMs = options.realTimeoutMs ?? DEFAULT_REAL_TIMEOUT_MS
  const shadow =
    options.shadow && realUrl !== undefined
      ? createShadow({ url: realUrl, timeoutMs: realTimeoutMs, withWrites: options.shadowWrites ?? false, say })
      : undefined
  const reception: ReceptionOptions = {
    injector: createInjector(config),
    real,
    realTimeoutMs,
    shadow,
    urlOf: (domain) => urls.get(domain) ?? 'a port that could not be opened',
  }
  const build = (from: MockContract): Promise<Site> =>
    createSite(from, {
      staticRoutes:
        options.staticRoutes ?? createStaticRoutes(from.source.document, { implementationOf: () => 'mock' }),
      isClosing: () => isClosing,
      onRouted: (site, exchange, proceed) => {
        receive(reception, site, exchange, proceed).catch((error) => sendProblem(exchange, error))
      },
      onAccepted: (site, exchange) => void answerMocked(site, exchange),
      say,
    })
  let site = await build(contract)

  const servers: Server[] = []
  function openDoor(domain: string | null): Server {
    const door: Door = { domain }
    const server = listenable(pino({ level: 'silent' }), (req, res, next) => {
      openVisit(req, door)
      res.setHeader('X-Served-By', 'mock')
      if (!answerCors(req, res)) site.engine(req, res, next)
    })
    servers.push(server)
    return server
  }

  const failed: FailedPort[] = []
  await Promise.all(
    [{ domain: null, port: registry.gateway.port }, ...registry.mocks].map(async ({ domain, port }) => {
      const at = {
        domain: domain ?? 'gateway',
        host: options.host ?? '127.0.0.1',
        port: options.ports === 'free' ? 0 : port,
      }
      const opened = await listen(openDoor(domain), at)
      if (typeof opened === 'string') urls.set(domain, opened)
      else failed.push(opened)
    }),
  )

  async function swap(folder: string): Promise<void> {
    const startedAt = performance.now()
    const fresh = loadMockContract(folder)
    const changed = await build(fresh)
    for (const line of describeChange(site.contract, fresh)) say(`contract: ${line}`)
    site = changed
    say(`contract: serving the new state, ${Math.round(performance.now() - startedAt)} ms after it was built`)
  }
  const watching = options.watch ? watchContract({ root, say, onBuilt: swap }) : undefined

  return {
    gatewayUrl: urls.get(null) ?? '',
    urls: Object.fromEntries(
      registry.mocks.flatMap(({ domain }): [string, string][] => {
        const url = urls.get(domain)
        return url === undefined ? [] : [[domain, url]]
      }),
    ),
    failed: failed.sort((a, b) => a.port - b.port),
    async stop() {
      isClosing = true
      await watching?.stop()
      real?.stop()
      await Promise.all(servers.map((server) => closeServer(server, STOP_MS)))
      shadow?.stop()
    },
  }
}
