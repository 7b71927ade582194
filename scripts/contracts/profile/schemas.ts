import { isObject, type Json } from '../../generate/json.ts'
import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import type { Rule } from '../gate.ts'
import {
  childOf,
  contentOf,
  follow,
  headersOf,
  isJsonMedia,
  keyOf,
  placeOf,
  placeOfKey,
  type SourceNode,
} from '../source.ts'

type Use = 'request' | 'reply' | 'vendor' | 'parameter' | 'header'

interface UsedSchema extends SourceNode {
  uses: Set<Use>
  /** Names of the properties that it is the schema of. */
  names: Set<string>
}

const MAX_SAFE = Number.MAX_SAFE_INTEGER
/** Words that say that a number is an amount of money. */
const MONEY =
  /(?:^|_)(?:amount|revenue|spend|cost|price|budget|fee|refund|refunded|tax|discount|balance|payout|captured|net|gross)s?(?:_|$)/
/** Of what can carry such a word and is no amount. */
const NO_MONEY = /(?:^|_)(?:count|id|ids|orders|version|share|ratio|rate|percent|basis|days|status|type|entries)$/

const IN_PLACE = ['allOf', 'anyOf', 'oneOf'] as const
const SINGLE = [
  'items',
  'additionalProperties',
  'unevaluatedProperties',
  'not',
  'if',
  'then',
  'else',
  'contains',
  'propertyNames',
] as const

/** Every schema that an operation uses, once, with what it is used for. */
export function usedSchemas(ctx: CheckContext): UsedSchema[] {
  return ctx.once('used schemas', () => {
    const found = new Map<string, UsedSchema>()
    const visit = (written: SourceNode | undefined, use: Use, name: string): void => {
      if (written === undefined) return
      const key = keyOf(written)
      const known = found.get(key)
      if (known?.uses.has(use) && known.names.has(name)) return
      const schema = known ?? { ...written, uses: new Set<Use>(), names: new Set<string>() }
      const isNewUse = !schema.uses.has(use)
      schema.uses.add(use)
      schema.names.add(name)
      found.set(key, schema)
      if (typeof written.value.$ref === 'string') visit(follow(ctx.files, written), use, name)
      if (isNewUse) for (const [child, childName] of subschemas(written)) visit(child, use, childName ?? name)
    }
    for (const operation of ctx.source().operations) {
      for (const parameter of operation.parameters)
        visit(childOf(parameter, 'schema'), 'parameter', String(parameter.value.name))
      const bodies = operation.requestBody === null ? [] : contentOf(operation.requestBody)
      for (const media of bodies) {
        if (isJsonMedia(media.mediaType)) visit(childOf(media, 'schema'), operation.isVendor ? 'vendor' : 'request', '')
      }
      for (const { response } of operation.replies) {
        for (const media of contentOf(response))
          if (isJsonMedia(media.mediaType)) visit(childOf(media, 'schema'), 'reply', '')
        for (const header of headersOf(ctx.files, response)) visit(childOf(header, 'schema'), 'header', header.name)
      }
    }
    return [...found.values()]
  })
}

function* subschemas(node: SourceNode): Generator<[SourceNode, string?]> {
  for (const group of ['properties', 'patternProperties', 'dependentSchemas']) {
    for (const name of Object.keys(childOf(node, group)?.value ?? {})) {
      const child = childOf(node, group, name)
      if (child !== undefined) yield [child, name]
    }
  }
  for (const key of SINGLE) {
    const child = childOf(node, key)
    if (child !== undefined) yield [child]
  }
  for (const key of [...IN_PLACE, 'prefixItems']) {
    for (const index of (Array.isArray(node.value[key]) ? node.value[key] : []).keys()) {
      const child = childOf(node, key, index)
      if (child !== undefined) yield [child]
    }
  }
}

export const schemaRules: Rule[] = [
  {
    id: 'lint/closed-bodies',
    gate: 'lint',
    description:
      'Every object of our own requests and replies is closed (`additionalProperties: false`, or `unevaluatedProperties: false` around `allOf`).',
    profiles: ['skeldir'],
    check: (ctx) => [...openBodies(ctx)],
  },
  {
    id: 'lint/open-vendor-bodies',
    gate: 'lint',
    description: "Every object of a vendor's body is open, since vendors add fields at any time.",
    profiles: ['skeldir'],
    check: (ctx) => ofUse(ctx, ['vendor'], closedVendorSchema),
  },
  {
    id: 'lint/bounded-integers',
    gate: 'lint',
    description: 'Integers of our own have `minimum` and `maximum` within ±(2^53 − 1).',
    profiles: ['skeldir'],
    check: (ctx) => ofUse(ctx, ['request', 'reply', 'parameter', 'header'], unboundedNumber),
  },
  {
    id: 'lint/bounded-strings',
    gate: 'lint',
    description:
      'Strings of our own have `maxLength`, `format`, `enum` or `const`, whatever else they may be; arrays have `maxItems` and `items`.',
    profiles: ['skeldir'],
    check: (ctx) => ofUse(ctx, ['request', 'reply', 'parameter', 'header'], unboundedText),
  },
  {
    id: 'lint/money-shape',
    gate: 'lint',
    description:
      'Money is `{ amount_minor, currency }`: an integer within ±(2^53 − 1) and an ISO 4217 code. Other integers of money are `…_minor` beside a currency, or `…_micro_usd`.',
    profiles: ['skeldir'],
    check: (ctx) => ofUse(ctx, ['request', 'reply', 'parameter'], moneyShape),
  },
  {
    id: 'lint/no-float-money',
    gate: 'lint',
    description: 'No `number` carries money; a number of that name must be a ratio from 0 to 1.',
    profiles: ['skeldir'],
    check: (ctx) => ofUse(ctx, ['request', 'reply', 'parameter'], floatMoney),
  },
  {
    id: 'lint/timestamps',
    gate: 'lint',
    description: 'A property `…_at` of ours is an RFC 3339 `date-time`.',
    profiles: ['skeldir'],
    check: (ctx) => ofUse(ctx, ['request', 'reply'], looseTimestamp),
  },
  {
    id: 'lint/no-request-defaults',
    gate: 'lint',
    description: 'No `default` in a request body: nothing fills it in.',
    profiles: ['skeldir'],
    check: (ctx) => ofUse(ctx, ['request'], requestDefault),
  },
  {
    id: 'lint/keywords',
    gate: 'lint',
    description:
      'No `$id`, `$anchor` or `$schema` inside a schema: a stage would read another schema than the author wrote.',
    profiles: ['skeldir'],
    check: (ctx) => ofUse(ctx, ['request', 'reply', 'parameter', 'header', 'vendor'], scopedKeyword),
  },
]

function ofUse(
  ctx: CheckContext,
  uses: Use[],
  check: (schema: UsedSchema, ctx: CheckContext) => Iterable<Fault>,
): Fault[] {
  return usedSchemas(ctx)
    .filter((schema) => uses.some((use) => schema.uses.has(use)))
    .flatMap((schema) => [...check(schema, ctx)])
}

function typesOf({ value }: SourceNode): Json[] {
  return [value.type].flat().filter((type) => type !== undefined)
}

function describesObject(schema: SourceNode): boolean {
  const composed = [...IN_PLACE, 'if', 'then', 'else'].some((keyword) => schema.value[keyword] !== undefined)
  const isObjectType = typesOf(schema).includes('object')
  return schema.value.properties !== undefined || (isObjectType && !composed && schema.value.const === undefined)
}

/** Whether an object is closed depends on what stands around it, so this one walks for itself. */
function* openBodies(ctx: CheckContext): Generator<Fault> {
  const seen = new Set<string>()
  const faults: Fault[] = []
  const visit = (written: SourceNode | undefined, where: string, isClosedAround: boolean): void => {
    const schema = written && follow(ctx.files, written)
    if (schema === undefined) return
    const key = `${keyOf(schema)} ${isClosedAround}`
    if (seen.has(key)) return
    seen.add(key)
    const { additionalProperties, unevaluatedProperties, properties } = schema.value
    const isClosedHere = additionalProperties === false || unevaluatedProperties === false
    const isMap = isObject(additionalProperties) && properties === undefined
    if (!isClosedHere && !isMap && !isClosedAround && describesObject(schema)) {
      faults.push({
        message: `${where}: this object takes properties that it does not name; close it`,
        at: placeOfKey(schema, 'additionalProperties'),
      })
    }
    for (const name of Object.keys(childOf(schema, 'properties')?.value ?? {})) {
      visit(childOf(schema, 'properties', name), where, false)
    }
    for (const keyword of ['items', 'additionalProperties', 'contains']) visit(childOf(schema, keyword), where, false)
    for (const index of (Array.isArray(schema.value.prefixItems) ? schema.value.prefixItems : []).keys()) {
      visit(childOf(schema, 'prefixItems', index), where, false)
    }
    for (const keyword of IN_PLACE) {
      for (const index of (Array.isArray(schema.value[keyword]) ? schema.value[keyword] : []).keys()) {
        visit(childOf(schema, keyword, index), where, isClosedHere || isClosedAround)
      }
    }
    for (const keyword of ['if', 'then', 'else']) visit(childOf(schema, keyword), where, isClosedHere || isClosedAround)
  }
  for (const { id, isVendor, requestBody, replies } of ctx.source().operations) {
    const bodies = isVendor || requestBody === null ? [] : contentOf(requestBody)
    for (const media of bodies) visit(childOf(media, 'schema'), `${id} request`, false)
    for (const { status, response } of replies) {
      for (const media of contentOf(response)) visit(childOf(media, 'schema'), `${id} ${status}`, false)
    }
  }
  yield* faults
}

function* closedVendorSchema(schema: UsedSchema): Generator<Fault> {
  for (const keyword of ['additionalProperties', 'unevaluatedProperties']) {
    if (schema.value[keyword] === false) {
      yield { message: 'a vendor may add fields: this object must stay open', at: placeOf(schema, keyword) }
    }
  }
}

function* unboundedNumber(schema: UsedSchema): Generator<Fault> {
  const { value } = schema
  const types = typesOf(schema)
  if (value.enum !== undefined || value.const !== undefined) return
  const lower = value.minimum ?? value.exclusiveMinimum
  const upper = value.maximum ?? value.exclusiveMaximum
  const at = placeOfKey(schema, 'type')
  if (types.includes('integer')) {
    if (typeof lower !== 'number' || typeof upper !== 'number') {
      yield { message: 'an integer needs `minimum` and `maximum`', at }
    } else if (Math.abs(lower) > MAX_SAFE || Math.abs(upper) > MAX_SAFE) {
      yield { message: 'integers beyond ±(2^53 − 1) lose digits in JSON parsers', at }
    }
  }
}

/** Where `type` is a single word, Redocly's own rules in redocly.yaml say the same; these see every form. */
function* unboundedText(schema: UsedSchema): Generator<Fault> {
  const { value } = schema
  const types = typesOf(schema)
  const at = placeOfKey(schema, 'type')
  const isListed = value.enum !== undefined || value.const !== undefined
  if (types.includes('string') && !isListed && value.maxLength === undefined && value.format === undefined) {
    yield { message: 'a string needs `maxLength`, `format`, `enum` or `const`', at }
  }
  if (types.includes('array') && !isListed && (value.maxItems === undefined || value.items === undefined)) {
    yield { message: 'an array needs `maxItems` and `items`', at }
  }
}

function* moneyShape(schema: UsedSchema, ctx: CheckContext): Generator<Fault> {
  const amount = childOf(schema, 'properties', 'amount_minor')
  if (amount !== undefined) {
    const target = follow(ctx.files, amount)
    const required = Array.isArray(schema.value.required) ? schema.value.required : []
    const { type, minimum, maximum } = target?.value ?? {}
    if (type !== 'integer' || !(Number(minimum) >= -MAX_SAFE) || !(Number(maximum) <= MAX_SAFE)) {
      yield { message: 'amount_minor is an integer within ±(2^53 − 1)', at: amount }
    }
    const currency = childOf(schema, 'properties', 'currency')
    if (currency === undefined || !required.includes('currency') || !required.includes('amount_minor')) {
      yield { message: 'an amount needs its currency: both are required', at: placeOfKey(schema, 'required') }
    } else {
      const { pattern, enum: codes, const: code } = follow(ctx.files, currency)?.value ?? {}
      if (pattern !== '^[A-Z]{3}$' && codes === undefined && code === undefined) {
        yield { message: 'a currency has the pattern ^[A-Z]{3}$ (ISO 4217)', at: currency }
      }
    }
  }
  if (!typesOf(schema).includes('integer')) return
  for (const name of schema.names) {
    if (!isMoneyName(name) || /(?:^|_)(?:minor|micro_usd)$/.test(name)) continue
    yield {
      message: `${name} is an amount of money: use Money, or micro-USD for the cost of a language model`,
      at: schema,
    }
  }
}

function isMoneyName(name: string): boolean {
  return MONEY.test(name) && !NO_MONEY.test(name)
}

function* floatMoney(schema: UsedSchema): Generator<Fault> {
  if (!typesOf(schema).includes('number')) return
  const { minimum, maximum } = schema.value
  if (typeof minimum === 'number' && minimum >= 0 && typeof maximum === 'number' && maximum <= 1) return
  for (const name of schema.names) {
    if (isMoneyName(name) || name === 'amount_minor') {
      yield { message: `${name} is money in a floating-point number`, at: placeOfKey(schema, 'type') }
    }
  }
}

function* looseTimestamp(schema: UsedSchema, ctx: CheckContext): Generator<Fault> {
  const names = [...schema.names].filter((name) => /_at$/.test(name))
  const isLeaf = typesOf(schema).includes('string') && follow(ctx.files, schema) !== undefined
  if (names.length > 0 && isLeaf && schema.value.format !== 'date-time') {
    yield { message: `${names.join(', ')} must have the format date-time`, at: placeOfKey(schema, 'type') }
  }
}

function* requestDefault(schema: UsedSchema): Generator<Fault> {
  // A schema that a parameter shares may say its default there.
  if (schema.value.default === undefined || schema.uses.has('parameter')) return
  yield {
    message: 'a default in a request body is not filled in; say in the description what absence means',
    at: placeOf(schema, 'default'),
  }
}

function* scopedKeyword(schema: UsedSchema): Generator<Fault> {
  for (const keyword of ['$id', '$anchor', '$schema']) {
    if (schema.value[keyword] !== undefined) {
      yield { message: `${keyword} is not supported inside the documents`, at: placeOf(schema, keyword) }
    }
  }
}
