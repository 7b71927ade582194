import type { Exchange } from '../src/http/exchange.ts'
import { operationOf } from '../src/http/exchange.ts'
import { ProblemError } from '../src/problem/problem.ts'
import { findNear, isInstance, type Place } from './near.ts'
import type { Site } from './site.ts'
import type { Door } from './visit.ts'

/** The contract's bound on an item's `detail` is 1,024 characters; a path may be longer. */
const MAX_PATH = 200

/**
 * Why this door does not serve what was asked; undefined when it does. A path of another domain names the port that
 * serves it, and one that nobody knows those that were likely meant.
 */
export function findUnserved(
  { places, contract }: Pick<Site, 'places' | 'contract'>,
  door: Door,
  exchange: Exchange,
  urlOf: (domain: string | null) => string,
): ProblemError | undefined {
  const { match, path, req } = exchange
  const method = req.method ?? 'GET'
  if (match.kind === 'none') return unknown(findNear(places, method, path), `${method} ${path}`, urlOf)
  if (door.domain === null) return undefined
  if (match.kind === 'found' && 'file' in match.target) {
    if (/^\/(?:docs|\.well-known)(?:\/|$)/.test(path)) return undefined
    return new ProblemError('not_found', `This is the mock of ${door.domain}. The pages are at ${urlOf(null)}${path}.`)
  }
  const id = operationOf(exchange)?.id
  if (id !== undefined && contract.domainOf.get(id) === door.domain) return undefined
  const owners = places.filter((place) => (id === undefined ? isInstance(place.path, path) : place.operationId === id))
  if (owners.some(({ domain }) => domain === door.domain)) return undefined
  return elsewhere(owners, door.domain, urlOf)
}

function elsewhere(owners: readonly Place[], domain: string, urlOf: (domain: string | null) => string): ProblemError {
  const [owner] = owners
  const where = owner === undefined ? '' : ` ${owner.domain} is at ${urlOf(owner.domain)}, and all domains are`
  return new ProblemError('not_found', `This is the mock of ${domain}.${where} at ${urlOf(null)}.`, {
    errors: owners.map((place) => ({ pointer: '/path', code: 'other_port', detail: describe(place, urlOf) })),
  })
}

function unknown(near: readonly Place[], asked: string, urlOf: (domain: string | null) => string): ProblemError {
  const shown = asked.length <= MAX_PATH ? asked : `${asked.slice(0, MAX_PATH)}…`
  const meant = near.map(({ method, path }) => `${method} ${path}`).join(', ')
  const hint = near.length === 0 ? 'Nothing resembles it.' : `Near it: ${meant}.`
  return new ProblemError('not_found', `The contract has no ${shown}. ${hint}`.slice(0, 1_024), {
    errors: near.map((place) => ({ pointer: '/path', code: 'near_match', detail: describe(place, urlOf) })),
  })
}

function describe({ operationId, method, path, domain }: Place, urlOf: (domain: string | null) => string): string {
  return `${method} ${path} (${operationId}) at ${urlOf(domain)}`
}
