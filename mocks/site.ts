import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { RequestHandler } from 'express'
import pino from 'pino'
import type { AppContext } from '../src/context.ts'
import { createEngine } from '../src/http/engine.ts'
import type { Exchange } from '../src/http/exchange.ts'
import type { AnyHandler } from '../src/http/operations.ts'
import type { StaticRoute } from '../src/http/static-routes.ts'
import { requireCompilable } from './compile-check.ts'
import type { MockContract, OpenApiBundle } from './contract.ts'
import { createAuthenticators } from './credentials.ts'
import { compileFileSchemas } from './file-schema.ts'
import { listPlaces, type Place } from './near.ts'
import { createPrism, type PrismEngine } from './prism.ts'
import type { ReplyChecks } from './reply.ts'

/** All that is made from one state of the contract. A reload makes a new one, and the next request goes there. */
export interface Site {
  contract: MockContract
  engine: RequestHandler
  /** By domain. */
  prisms: ReadonlyMap<string, PrismEngine>
  places: readonly Place[]
  checks: ReplyChecks
}

export interface SiteOptions {
  staticRoutes: readonly StaticRoute[]
  isClosing: () => boolean
  onRouted: (site: Site, exchange: Exchange, proceed: () => void) => void
  /** The request has passed every check. */
  onAccepted: (site: Site, exchange: Exchange) => void
  say: (line: string) => void
}

/** What the answer will be depends on the request's preferences, which handlers do not see: it is made when it is sent. */
const accept: AnyHandler = async () => ({ status: 0 })

/** Throws when a document, a schema or the table of operations does not fit. */
export async function createSite(contract: MockContract, options: SiteOptions): Promise<Site> {
  const hasUnread = [...contract.hashes].some(([domain, hash]) => engines.get(domain)?.hash !== hash)
  if (hasUnread) collectGarbage()
  const prisms = new Map<string, PrismEngine>()
  for (const domain of contract.bundles.keys()) prisms.set(domain, await openPrism(contract, domain))
  const compiling = requireCompilable(
    [...prisms].map(([domain, { operations }]) => ({ hash: contract.hashes.get(domain) ?? '', operations })),
  )
  const { source, domainOf } = contract
  const checks: ReplyChecks = { source, files: compileFileSchemas(contract), say: options.say }
  const log = pino({ level: 'silent' })
  // The engine asks its context for nothing but the log: no handler of the platform runs here.
  const ctx = { log, clock: () => new Date(), config: {}, db: {}, keys: {} } as unknown as AppContext
  const engine = createEngine(ctx, {
    contract: source,
    handlers: Object.fromEntries(Object.keys(source.operations).map((id) => [id, accept])),
    authenticators: createAuthenticators(source.operations, source.document),
    staticRoutes: options.staticRoutes,
    isClosing: options.isClosing,
    onRouted: (exchange, proceed) => options.onRouted(site, exchange, proceed),
    sendReply: (exchange) => options.onAccepted(site, exchange),
  })
  const site: Site = { contract, engine, prisms, places: listPlaces(source.operations, domainOf), checks }
  await compiling
  if (hasUnread) collectGarbage()
  return site
}

/** Of the last state of each document, so that a reload reads again only what has changed. */
const engines = new Map<string, { hash: string; engine: Promise<PrismEngine> }>()

function openPrism({ bundles, hashes }: MockContract, domain: string): Promise<PrismEngine> {
  const hash = hashes.get(domain) ?? ''
  const known = engines.get(domain)
  if (known?.hash === hash) return known.engine
  const engine = createPrism(bundles.get(domain) as OpenApiBundle)
  engines.set(domain, { hash, engine })
  engine.catch(() => engines.delete(domain))
  return engine
}

/** Reading the documents leaves 100 MB behind that V8 would otherwise keep as room to grow; this takes 50 ms. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
}
