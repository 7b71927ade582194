import { isObject, type JsonObject, type JsonValue } from '../lossless-json.ts'
import { looksPersonal } from '../personal-data.ts'
import type { Keeping } from './field-map.ts'
import { isWhere, parsePath, storedName, type Token } from './path.ts'
import { hashToken } from './token.ts'
import { namesOrder } from './transform.ts'

/** Items of a list that are looked at; the maps refuse a delivery long before. */
const MAX_ITEMS = 1_000

/** What a value must look like in order to be stored. None is one of free text, in which there may be names. */
const FORMS: Readonly<Partial<Record<Keeping, RegExp>>> = {
  id: /^[A-Za-z0-9_.:#-]{1,128}$/,
  /** Out of a list of the vendor's, in one case. */
  word: /^(?:[a-z0-9][a-z0-9_.-]{0,63}|[A-Z0-9][A-Z0-9_.-]{0,63})$/,
  /** Of amounts and times the ways of writing too that only a repair reads: with blanks. */
  amount: /^ {0,4}-?\d{1,40}(?:\.\d{1,20})? {0,4}$/,
  currency: /^[A-Za-z]{3}$/,
  time: /^\d[0-9T:.Z+-]{9,39}$|^ {0,4}\d{4}-\d\d-\d\d[ T]\d\d:[0-9:.Z+ -]{2,20}$/,
  /** Of an API: neither query nor user. */
  link: /^(?:https:\/\/[a-z0-9.-]{1,100}\/)?[A-Za-z0-9_./-]{1,200}$/,
}

interface Plan {
  keeping: Keeping[]
  /** As the map has it; null where no path ends. */
  path: string | null
  /** By name of the member; of lists, numbers are names too. */
  members: Map<string, Plan>
  /** `*`: every item. */
  each: Plan | null
  /** Items, or the object itself, that have certain values; those values are kept with them. */
  where: { where: [key: string, value: string][]; plan: Plan }[]
}

/** What of a body is stored: the tree of the paths, made once for each topic. */
export type Projection = Plan

export function planProjection(paths: Readonly<Record<string, readonly Keeping[]>>): Projection {
  const root = emptyPlan()
  for (const [path, keeping] of Object.entries(paths)) {
    const place = parsePath(path)
    if ('header' in place) continue
    const end = place.tokens.reduce(childOf, root)
    end.keeping.push(...keeping)
    end.path = path
  }
  return root
}

function emptyPlan(): Plan {
  return { keeping: [], path: null, members: new Map(), each: null, where: [] }
}

function childOf(plan: Plan, token: Token): Plan {
  if ('name' in token) {
    const known = plan.members.get(token.name) ?? emptyPlan()
    plan.members.set(token.name, known)
    return known
  }
  if ('each' in token) {
    plan.each ??= emptyPlan()
    return plan.each
  }
  const text = JSON.stringify(token.where)
  const known = plan.where.find(({ where }) => JSON.stringify(where) === text)
  if (known !== undefined) return known.plan
  const made = { where: token.where, plan: emptyPlan() }
  plan.where.push(made)
  return made.plan
}

/** What is kept of a body, and the paths of the values in it that are not, because they do not have the form of their path. */
export interface Projected {
  kept: JsonObject
  /** As the map has them, each once. */
  leftOut: string[]
}

/**
 * The parts of a body that stand at the paths of a projection, in the same places, and nothing else. A visitor's token
 * becomes its keyed hash; a value that does not have the form of its path, or looks like personal data, is left out. Null
 * stays out too. Pure.
 */
export function project(body: JsonValue, projection: Projection, identityOf: (visitorId: string) => string): Projected {
  const leftOut = new Set<string>()
  const kept = projectValue(body, projection, { identityOf, leftOut })
  return { kept: isObject(kept) ? kept : {}, leftOut: [...leftOut] }
}

interface Means {
  identityOf: (visitorId: string) => string
  leftOut: Set<string>
}

function projectValue(value: JsonValue, plan: Plan, means: Means): JsonValue | undefined {
  if (value === null) return undefined
  const kept = keepValue(value, plan, means)
  if (kept === undefined && plan.path !== null) means.leftOut.add(plan.path)
  return kept
}

function keepValue(value: NonNullable<JsonValue>, plan: Plan, means: Means): JsonValue | undefined {
  // Something with parts, where a value is meant.
  if (typeof value === 'object' && isLeaf(plan)) return undefined
  if (Array.isArray(value)) return projectList(value, plan, means)
  if (isObject(value)) return projectObject(value, plan, means)
  for (const keeping of plan.keeping) {
    const kept = keep(value, keeping, means.identityOf)
    if (kept !== undefined) return kept
  }
  return undefined
}

function isLeaf({ members, each, where, keeping }: Plan): boolean {
  return keeping.length > 0 && members.size === 0 && each === null && where.length === 0
}

function projectObject(object: JsonObject, plan: Plan, means: Means): JsonObject {
  const kept: JsonObject = {}
  for (const [name, child] of plan.members) {
    const value = Object.hasOwn(object, name) ? object[name] : undefined
    const part = value === undefined ? undefined : projectValue(value, child, means)
    if (part !== undefined) kept[storedName(name)] = part
  }
  const found = plan.where.filter(({ where }) => isWhere(object, where))
  if (found.length === 0) return kept
  const parts = found.map((each) => projectObject(object, each.plan, means))
  return merge([kept, ...parts, ...found.map(({ where }) => Object.fromEntries(where))]) as JsonObject
}

/** Items stay in their order. Where paths count the items, all of them stay, so that the count stays true. */
function projectList(list: readonly JsonValue[], plan: Plan, means: Means): JsonValue[] {
  const items = list.slice(0, MAX_ITEMS)
  const indexes = [...plan.members.keys()].map(Number).filter(Number.isInteger)
  const counted = plan.each !== null ? items.length : Math.max(-1, ...indexes) + 1
  return items.flatMap((item, index): JsonValue[] => {
    const plans = [plan.each, plan.members.get(String(index))].filter((each) => each !== null && each !== undefined)
    const found = plan.where.filter(({ where }) => isWhere(item, where))
    if (index >= counted && found.length === 0) return []
    const parts = [...plans, ...found.map((each) => each.plan)].map((each) => projectValue(item, each, means))
    const names = found.flatMap(({ where }) => where)
    return [merge([...parts, Object.fromEntries(names)]) ?? {}]
  })
}

function merge(parts: readonly (JsonValue | undefined)[]): JsonValue | undefined {
  return parts.reduce<JsonValue | undefined>((sum, part) => {
    if (sum === undefined || part === undefined) return sum ?? part
    if (!isObject(sum) || !isObject(part)) return isObject(sum) ? part : sum
    const names = [...Object.keys(sum), ...Object.keys(part)]
    return Object.fromEntries(names.map((name) => [name, merge([sum[name], part[name]]) as JsonValue]))
  }, undefined)
}

function keep(
  value: string | number | boolean,
  keeping: Keeping,
  identityOf: (visitorId: string) => string,
): JsonValue | undefined {
  if (keeping === 'token') return hashToken(value, identityOf)
  if (keeping === 'flag') return typeof value === 'boolean' ? value : undefined
  if (typeof value === 'number') return NUMBERS.has(keeping) ? value : undefined
  if (typeof value === 'boolean' || looksPersonal(value)) return undefined
  if (keeping === 'reference') return namesOrder(value) ? value : undefined
  return FORMS[keeping]?.test(value) ? value : undefined
}

const NUMBERS: ReadonlySet<Keeping> = new Set(['id', 'amount', 'time'])
