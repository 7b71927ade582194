import type { OperationRow } from '../generated/operations.ts'

export interface Place {
  operationId: string
  /** Upper case. */
  method: string
  path: string
  domain: string
}

/** Enough to choose from, few enough to read. */
const MAX_SHOWN = 5
/** Of the cost of writing the whole path anew; above, what is left in common is an accident. */
const MAX_COST = 0.5
/** What is that much farther than the nearest is not worth reading. */
const MAX_GAP = 0.12
const COST_OF_METHOD = 0.3
/** A template matches every segment, and yet a literal match is the better one. */
const COST_OF_TEMPLATE = 0.1

export function listPlaces(
  operations: Readonly<Record<string, OperationRow>>,
  domainOf: ReadonlyMap<string, string>,
): Place[] {
  return Object.entries(operations).map(([operationId, { method, path }]) => ({
    operationId,
    method: method.toUpperCase(),
    path,
    domain: domainOf.get(operationId) ?? '',
  }))
}

/** Whether the raw `path` is an instance of the template. */
export function isInstance(template: string, path: string): boolean {
  const wanted = template.split('/')
  const given = path.split('/')
  return (
    wanted.length === given.length && wanted.every((one, i) => (isTemplate(one) ? given[i] !== '' : one === given[i]))
  )
}

/** What the caller of an unknown path may have meant, the likeliest first. */
export function findNear(places: readonly Place[], method: string, path: string): Place[] {
  const given = path.split('/').filter((segment) => segment !== '')
  const found = places
    .map((place) => ({ place, cost: costOf(place, method, given) }))
    .filter(({ cost }) => cost <= MAX_COST)
    .sort((a, b) => a.cost - b.cost || (a.place.path < b.place.path ? -1 : 1))
  const nearest = found[0]?.cost ?? 0
  return found
    .filter(({ cost }) => cost <= nearest + MAX_GAP)
    .slice(0, MAX_SHOWN)
    .map(({ place }) => place)
}

/** 0: the same; 1: nothing in common. An edit distance over segments, each of which costs what its letters differ. */
function costOf(place: Place, method: string, given: readonly string[]): number {
  const wanted = place.path.split('/').filter((segment) => segment !== '')
  const distance = editDistance(wanted, given, (a, b) => {
    if (isTemplate(a)) return COST_OF_TEMPLATE
    const longest = Math.max(a.length, b.length)
    return editDistance([...a.toLowerCase()], [...b.toLowerCase()], (x, y) => (x === y ? 0 : 1)) / longest
  })
  const longest = Math.max(wanted.length, given.length, 1)
  return distance / longest + (place.method === method ? 0 : COST_OF_METHOD / longest)
}

function editDistance<T>(from: readonly T[], to: readonly T[], replace: (a: T, b: T) => number): number {
  let previous = to.map((_, j) => j + 1)
  previous.unshift(0)
  for (const [i, a] of from.entries()) {
    const row = [i + 1]
    for (const [j, b] of to.entries()) {
      const kept = (previous[j] as number) + replace(a, b)
      row.push(Math.min(kept, (previous[j + 1] as number) + 1, (row[j] as number) + 1))
    }
    previous = row
  }
  return previous.at(-1) as number
}

function isTemplate(segment: string): boolean {
  return segment.startsWith('{')
}
