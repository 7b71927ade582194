import { type Random, uuid } from '../../demo/random.ts'
import type { Reach } from '../exceptions.ts'
import type { Routine } from '../model.ts'
import { literalsIn } from '../rows/candidates.ts'
import { quoteText, type Row } from '../rows/row.ts'
import type { Seed } from '../rows/seed.ts'

/** What a look-up must not answer to: patterns, emptiness, SQL, nothing at all. */
const HOSTILE = ['%', '_', '*', '', "' or '1'='1", "'; select 1; --", '\\', '.*']

/** A value that stands somewhere in a table, and the words of where. */
export interface KnownValue {
  value: string
  type: string
  words: readonly string[]
}

/** Every value of these rows. */
export function knownValues(
  tables: Iterable<{ name: string; types: ReadonlyMap<string, string>; rows: readonly Row[] }>,
): KnownValue[] {
  const known: KnownValue[] = []
  for (const { name, types, rows } of tables)
    for (const row of rows)
      for (const [column, value] of Object.entries(row))
        if (value !== null)
          known.push({ value, type: types.get(column) ?? '', words: [...toWords(name), ...toWords(column)] })
  return known
}

/** `of_tenants`: of, tenant. */
const toWords = (name: string) => name.split(/[._]/).map((word) => word.replace(/s$/, ''))

/** The arguments of one call, as SQL. */
export interface Attempt {
  name: string
  sql: string
}

/**
 * Arguments that a caller who is after another tenant's rows would try: that tenant's id with its ids and names, one's
 * own id or none with the other's, and random ones of it. A look-up is asked with what should find nothing.
 */
export function attemptsFor(
  routine: Routine,
  {
    seed,
    known,
    reach,
    random,
    count,
  }: { seed: Seed; known: readonly KnownValue[]; reach: Reach; random: Random; count: number },
): Attempt[] {
  const toCall = (name: string, value: (type: string, argument: string) => string): Attempt => {
    const values = routine.argumentTypes.map((type, at) => value(type, routine.argumentNames[at] ?? ''))
    return { name, sql: `${routine.kind === 'p' ? 'call' : 'select * from'} ${callee(routine)}(${values.join(', ')})` }
  }
  const nothing = toCall('nulls', (type) => `null::${type}`)
  if (reach === 'lookup')
    return [nothing, ...HOSTILE.map((text) => toCall(`hostile ${text}`, (type) => hostile(type, text)))]
  const fitting = (tenantId: string | null, likely: number, flag: boolean) => (type: string, argument: string) =>
    literal(type, argument, { tenantId, known, random, likely, flag, seed })
  return [
    nothing,
    toCall("the other tenant's", fitting(seed.otherTenant, 1, false)),
    toCall("the other tenant's, flags set", fitting(seed.otherTenant, 1, true)),
    toCall("no tenant, the other's rows", fitting(null, 1, false)),
    toCall("no tenant, the other's rows, flags set", fitting(null, 1, true)),
    toCall("own tenant, the other's rows", fitting(seed.ownTenant, 1, false)),
    toCall("own tenant, the other's rows, flags set", fitting(seed.ownTenant, 1, true)),
    ...wordsOf(routine).flatMap(({ argument, word }) =>
      [null, seed.otherTenant].map((tenantId) => {
        const fit = fitting(tenantId, 1, true)
        const value = (type: string, name: string) => (name === argument ? `${quoteText(word)}::text` : fit(type, name))
        return toCall(`${argument} ${word}, ${tenantId === null ? 'no tenant' : "the other tenant's"}`, value)
      }),
    ),
    ...Array.from({ length: count }, (_, at) => {
      const tenantId = [seed.otherTenant, seed.ownTenant, null][at % 3] ?? null
      return toCall(`random ${at + 1}`, fitting(tenantId, 0.5, random.chance(0.5)))
    }),
  ]
}

/**
 * What a function that runs as its owner may compare a text with: its own words. Each is tried in each text argument,
 * since no row holds such a word and no guess would reach what comes after the comparison.
 */
function wordsOf({ isDefiner, body, argumentNames, argumentTypes }: Routine): { argument: string; word: string }[] {
  if (!isDefiner) return []
  const words = [...new Set(literalsIn(body))].filter((text) => /^[a-z_]{3,20}$/.test(text))
  const texts = argumentNames.filter((_, at) => argumentTypes[at] === 'text')
  return texts.flatMap((argument) => words.map((word) => ({ argument, word })))
}

export function callee({ signature }: Routine): string {
  return signature.slice(0, signature.indexOf('('))
}

function hostile(type: string, text: string): string {
  if (type === 'text') return quoteText(text)
  if (type.endsWith('[]')) return `array[${hostile(type.slice(0, -2), text)}]`
  if (type === 'bytea') return `${quoteText(text.replaceAll('\\', '/'))}::text::bytea`
  return `null::${type}`
}

interface Source {
  tenantId: string | null
  known: readonly KnownValue[]
  random: Random
  /** How likely it is the value whose place is named most like the argument, rather than any of its type: 0 to 1. */
  likely: number
  flag: boolean
  seed: Seed
}

function literal(type: string, argument: string, source: Source): string {
  const { tenantId, known, random, likely, flag } = source
  const words = toWords(argument)
  if (type === 'uuid' && words.includes('tenant'))
    return tenantId === null ? 'null::uuid' : `${quoteText(tenantId)}::uuid`
  if (type === 'boolean') return String(flag)
  if (type.endsWith('[]')) return `array[${literal(type.slice(0, -2), argument, source)}]`
  if (type === 'jsonb' || type === 'json') return `${quoteText(JSON.stringify(document(source)))}::${type}`
  const fitting = known.filter((candidate) => candidate.type === type)
  const score = (candidate: KnownValue) => candidate.words.filter((word) => words.includes(word)).length
  const best = fitting.toSorted((left, right) => score(right) - score(left))[0]
  const chosen = fitting.length === 0 || random.chance(likely) ? best : random.pick(fitting)
  if (chosen !== undefined) return `${quoteText(chosen.value)}::${type}`
  const plain: Record<string, string> = {
    integer: '0',
    bigint: '0',
    smallint: '0',
    interval: "'0'",
    regclass: "'public.tenants'",
  }
  return `${plain[type] ?? 'null'}::${type}`
}

/** A document that names its tenant in each way that ours do. */
function document({ tenantId, random, seed }: Source): Record<string, string> {
  const named = tenantId === null ? {} : { tenantId, tenant_id: tenantId }
  return { job: 'isolation.planted', ...named, correlationId: uuid(random), note: seed.ownTenant }
}
