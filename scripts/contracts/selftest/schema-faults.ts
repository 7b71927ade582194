import { isObject, type JsonObject } from '../../generate/json.ts'
import { childOf, follow, placeOf } from '../source.ts'
import type { Bench, Operator, Target } from './operator.ts'
import {
  addProperty,
  type BenchSchema,
  eachDocument,
  eachSchema,
  isRecord,
  nameOf,
  schemasOf,
  type Use,
} from './targets.ts'

/** Faults of schemas: ours must be closed and bounded, a vendor's open, and money exact. */
export const schemaFaults: readonly Operator[] = [
  {
    id: 'open-request',
    what: 'a request body that takes unknown properties',
    gate: 'lint',
    rule: 'lint/closed-bodies',
    times: 2,
    targets: (bench) => opened(bench, 'request'),
  },
  {
    id: 'open-reply',
    what: 'an answer that may have unknown properties',
    gate: 'lint',
    rule: 'lint/closed-bodies',
    times: 3,
    targets: (bench) => opened(bench, 'reply'),
  },
  {
    id: 'unsaid-openness',
    what: 'an object of ours that does not say whether it is closed',
    gate: 'lint',
    rule: 'lint/closed-bodies',
    targets: (bench) =>
      eachSchema(bench, 'reply', isRecord, (draft, schema) => {
        draft.remove(placeOf(schema, 'additionalProperties'))
        return schema
      }),
  },
  {
    id: 'closed-vendor-body',
    what: "an object of a vendor's body that is closed",
    gate: 'lint',
    rule: 'lint/open-vendor-bodies',
    times: 3,
    targets: (bench) =>
      eachSchema(bench, 'vendor', isMap, (draft, schema) => {
        addProperty(draft, schema, 'probe', { type: 'object', properties: {}, additionalProperties: false })
        return placeOf(schema, 'properties', 'probe', 'additionalProperties')
      }),
  },
  {
    id: 'unbounded-string',
    what: 'a string of ours without an end',
    gate: 'lint',
    rule: 'lint/bounded-strings',
    times: 3,
    targets: (bench) => withProperty(bench, ['request', 'reply'], { type: 'string', description: 'Any text.' }, 'type'),
  },
  {
    id: 'unbounded-optional-string',
    what: 'a string or null without an end',
    gate: 'lint',
    rule: 'lint/bounded-strings',
    targets: (bench) => withProperty(bench, ['reply'], { type: ['string', 'null'], description: 'Any text.' }, 'type'),
  },
  {
    id: 'lost-max-length',
    what: 'a string whose maxLength was taken away',
    gate: 'lint',
    rule: 'lint/bounded-strings',
    times: 2,
    targets: (bench) =>
      eachAny(
        bench,
        ['request', 'reply', 'parameter', 'header'],
        ({ value }) =>
          value.type === 'string' &&
          value.maxLength !== undefined &&
          value.enum === undefined &&
          value.format === undefined,
        (draft, schema) => {
          draft.remove(placeOf(schema, 'maxLength'))
          return placeOf(schema, 'type')
        },
      ),
  },
  {
    id: 'unbounded-array',
    what: 'an array of ours without an end',
    gate: 'lint',
    rule: 'lint/bounded-strings',
    times: 2,
    targets: (bench) =>
      eachAny(
        bench,
        ['request', 'reply'],
        ({ value, names }) => value.type === 'array' && value.maxItems !== undefined && !names.has('items'),
        (draft, schema) => {
          draft.remove(placeOf(schema, 'maxItems'))
          return placeOf(schema, 'type')
        },
      ),
  },
  {
    id: 'unbounded-integer',
    what: 'an integer of ours without a maximum',
    gate: 'lint',
    rule: 'lint/bounded-integers',
    times: 2,
    targets: (bench) =>
      eachAny(
        bench,
        ['request', 'reply'],
        ({ value, names }) =>
          value.type === 'integer' &&
          value.maximum !== undefined &&
          value['x-invariant'] === undefined &&
          !names.has('amount_minor'),
        (draft, schema) => {
          draft.remove(placeOf(schema, 'maximum'))
          return placeOf(schema, 'type')
        },
      ),
  },
  {
    id: 'lossy-integer',
    what: 'an integer that JSON parsers would round',
    gate: 'lint',
    rule: 'lint/bounded-integers',
    targets: (bench) =>
      withProperty(
        bench,
        ['reply'],
        { type: 'integer', minimum: 0, maximum: 9_007_199_254_740_992, description: 'A count.' },
        'type',
      ),
  },
  {
    id: 'float-money',
    what: 'money as a floating-point number',
    gate: 'lint',
    rule: 'lint/no-float-money',
    times: 3,
    targets: (bench) =>
      withProperty(
        bench,
        ['request', 'reply'],
        { type: 'number', minimum: 0, maximum: 1_000_000, description: 'An amount.' },
        'type',
        'refund_amount',
      ),
  },
  {
    id: 'bare-money',
    what: 'an amount in an integer without its currency',
    gate: 'lint',
    rule: 'lint/money-shape',
    times: 2,
    targets: (bench) =>
      withProperty(
        bench,
        ['request', 'reply'],
        { type: 'integer', minimum: 0, maximum: 1_000_000, description: 'An amount.' },
        null,
        'total_price',
      ),
  },
  {
    id: 'amount-without-currency',
    what: 'amount_minor without a currency',
    gate: 'lint',
    rule: 'lint/money-shape',
    targets: (bench) =>
      withProperty(
        bench,
        ['reply'],
        {
          type: 'object',
          description: 'Half of Money.',
          additionalProperties: false,
          required: ['amount_minor'],
          properties: {
            amount_minor: { type: 'integer', minimum: 0, maximum: 1_000_000, description: 'Minor units.' },
          },
        },
        'required',
      ),
  },
  {
    id: 'loose-timestamp',
    what: 'a time that is any text',
    gate: 'lint',
    rule: 'lint/timestamps',
    times: 2,
    targets: (bench) =>
      withProperty(
        bench,
        ['request', 'reply'],
        { type: 'string', maxLength: 40, description: 'A time.' },
        'type',
        'probed_at',
      ),
  },
  {
    id: 'request-default',
    what: 'a default in a request body',
    gate: 'lint',
    rule: 'lint/no-request-defaults',
    times: 2,
    targets: (bench) =>
      withProperty(
        bench,
        ['request'],
        { type: 'string', maxLength: 10, default: 'x', description: 'A text.' },
        'default',
      ),
  },
  {
    id: 'anchor',
    what: 'an `$anchor` inside a schema',
    gate: 'lint',
    rule: 'lint/keywords',
    targets: (bench) =>
      withProperty(
        bench,
        ['request', 'reply'],
        { type: 'string', maxLength: 10, $anchor: 'here', description: 'A text.' },
        '$anchor',
      ),
  },
  {
    id: 'local-definitions',
    what: 'local `$defs`',
    gate: 'lint',
    rule: 'lint/schema-keywords',
    times: 2,
    targets: (bench) =>
      withProperty(
        bench,
        ['request', 'reply'],
        { type: 'string', maxLength: 10, description: 'A text.', $defs: { Inner: { type: 'string', maxLength: 10 } } },
        '$defs',
      ),
  },
  {
    id: 'multiple-of',
    what: '`multipleOf`, which binary fractions break',
    gate: 'lint',
    rule: 'lint/schema-keywords',
    targets: (bench) =>
      withProperty(
        bench,
        ['reply'],
        { type: 'number', minimum: 0, maximum: 9, multipleOf: 0.01, description: 'A number.' },
        'multipleOf',
      ),
  },
  {
    id: 'dynamic-ref',
    what: '`$dynamicRef`',
    gate: 'lint',
    rule: 'lint/schema-keywords',
    targets: (bench) =>
      withProperty(
        bench,
        ['reply'],
        { type: 'string', maxLength: 10, description: 'A text.', $dynamicAnchor: 'here' },
        '$dynamicAnchor',
      ),
  },
  {
    id: 'format-and-pattern',
    what: 'a format and a pattern on one string',
    gate: 'lint',
    rule: 'lint/schema-format-or-pattern',
    times: 3,
    targets: (bench) =>
      eachAny(
        bench,
        ['request', 'reply', 'parameter', 'header'],
        ({ value }) =>
          typeof value.format === 'string' && value.type === 'string' && value['x-invariant'] === undefined,
        (draft, schema) => {
          draft.insert(schema, 'pattern', '^.')
          return schema
        },
      ),
  },
  {
    id: 'camel-case-property',
    what: 'a property in camelCase',
    gate: 'lint',
    rule: 'lint/schema-property-snake-case',
    times: 2,
    targets: (bench) =>
      withProperty(
        bench,
        ['request', 'reply'],
        { type: 'string', maxLength: 10, description: 'A text.' },
        null,
        'probeName',
      ),
  },
  {
    id: 'undefined-required',
    what: 'a required property that is not described',
    gate: 'lint',
    rule: 'lint/no-required-schema-properties-undefined',
    targets: (bench) =>
      withProperty(
        bench,
        ['reply'],
        {
          type: 'object',
          description: 'A thing.',
          additionalProperties: false,
          required: ['missing'],
          properties: { here: { type: 'string', maxLength: 10, description: 'A text.' } },
        },
        'required',
      ),
  },
  {
    id: 'mixed-bounds',
    what: 'both maximum and exclusiveMaximum',
    gate: 'lint',
    rule: 'lint/no-mixed-number-range-constraints',
    targets: (bench) =>
      withProperty(
        bench,
        ['reply'],
        { type: 'integer', minimum: 0, maximum: 10, exclusiveMaximum: 11, description: 'A count.' },
        'maximum',
      ),
  },
  {
    id: 'mismatched-keyword',
    what: 'an object with `items`',
    gate: 'lint',
    rule: 'lint/no-schema-type-mismatch',
    targets: (bench) =>
      withProperty(
        bench,
        ['reply'],
        {
          type: 'object',
          description: 'A thing.',
          additionalProperties: false,
          properties: {},
          items: { type: 'string', maxLength: 10 },
        },
        'items',
      ),
  },
  {
    id: 'unused-component',
    what: 'a component that nothing uses',
    gate: 'lint',
    rule: 'lint/no-unused-components',
    times: 2,
    targets: (bench) =>
      eachDocument(
        bench,
        (document) => childOf(document, 'components', 'schemas') !== undefined && !document.file.endsWith('base.yaml'),
        (draft, document) => {
          draft.insert(placeOf(document, 'components', 'schemas'), 'NobodyUsesThis', { type: 'string', maxLength: 10 })
          return placeOf(document, 'components', 'schemas', 'NobodyUsesThis')
        },
      ),
  },
  {
    id: 'copied-component',
    what: 'a shared component that was copied into the document',
    gate: 'lint',
    rule: 'lint/component-name-unique',
    targets: (bench) => copiedComponents(bench),
  },
]

function isMap({ value }: BenchSchema): boolean {
  return value.type === 'object' && isObject(value.properties) && value.additionalProperties !== false
}

function opened(bench: Bench, use: Use): Target[] {
  return eachSchema(bench, use, isRecord, (draft, schema) => {
    draft.set(placeOf(schema, 'additionalProperties'), true)
    return placeOf(schema, 'additionalProperties')
  })
}

function eachAny(
  bench: Bench,
  uses: readonly Use[],
  isFit: (schema: BenchSchema) => boolean,
  plant: Parameters<typeof eachSchema>[3],
): Target[] {
  return uses.flatMap((use) => eachSchema(bench, use, isFit, plant))
}

/** Adds an optional property to a closed object; the finding points to a keyword of it, or to the property. */
function withProperty(
  bench: Bench,
  uses: readonly Use[],
  property: JsonObject,
  keyword: string | null,
  name = 'probe',
): Target[] {
  return eachAny(bench, uses, isRecord, (draft, schema) => {
    addProperty(draft, schema, name, property)
    return keyword === null ? placeOf(schema, 'properties', name) : placeOf(schema, 'properties', name, keyword)
  })
}

function copiedComponents(bench: Bench): Target[] {
  return schemasOf(bench, 'reply').flatMap((schema): Target[] => {
    const { $ref } = schema.value
    const target = typeof $ref === 'string' && $ref.startsWith('_common/') ? follow(bench.ctx.files, schema) : undefined
    const document = bench.ctx.source().documents.find(({ file }) => file === schema.file)
    const name = target?.pointer.split('/').at(-1) ?? ''
    if (target === undefined || document === undefined || JSON.stringify(target.value).includes('$ref')) return []
    if (childOf(document, 'components', 'schemas') === undefined) return []
    return [
      {
        file: nameOf(bench, schema),
        name,
        plant: (draft) => {
          draft.insert(placeOf(document, 'components', 'schemas'), name, target.value)
          draft.set(placeOf(schema, '$ref'), `#/components/schemas/${name}`)
          return placeOf(document, 'components', 'schemas', name)
        },
      },
    ]
  })
}
