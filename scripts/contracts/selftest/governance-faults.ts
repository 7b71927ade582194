import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isObject, type Json, type JsonObject } from '../../generate/json.ts'
import { isGuaranteed } from '../governance/schema-path.ts'
import { childOf, contentOf, placeOf, type SourceNode } from '../source.ts'
import type { Bench, Draft, Operator, PlantedAt, Target } from './operator.ts'
import { eachOperation, nameOf, schemasOf } from './targets.ts'

const FOLDER = 'api-contracts/governance'

/** Faults of the governance data, and of documents that do not keep to it. */
export const governanceFaults: readonly Operator[] = [
  {
    id: 'unknown-policy-member',
    what: 'a policy with a member that its schema does not know',
    gate: 'governance',
    rule: 'governance/data',
    targets: (bench) =>
      eachPolicy(bench, (draft, policy) => {
        draft.insert(policy, 'colour', 'red')
        return placeOf(policy, 'colour')
      }),
  },
  {
    id: 'map-without-schema',
    what: 'a mapped event whose schema does not exist',
    gate: 'governance',
    rule: 'governance/map',
    targets: (bench) =>
      eachSourceEvent(bench, (draft, event) => {
        draft.set(placeOf(event, 'schema'), 'NobodyKnowsThisEvent')
        return placeOf(event, 'schema')
      }),
  },
  {
    id: 'unmapped-event',
    what: 'an event of a vendor that is neither mapped nor ignored',
    gate: 'governance',
    rule: 'governance/map',
    times: 2,
    targets: (bench) =>
      eachMap(bench, (map) => {
        const document = bench.ctx.source().documents.find(({ name }) => name === map.value.document)
        return Object.keys(childOf(map, 'ignored')?.value ?? {}).flatMap((name): Target[] => {
          const event = childOf(map, 'ignored', name)
          const delivery = document && childOf(document, 'components', 'schemas', String(map.value.delivery_schema))
          if (
            event === undefined ||
            delivery === undefined ||
            !JSON.stringify(delivery.value).includes(`/${String(event.value.schema)}"`)
          )
            return []
          const takers = bench.ctx
            .source()
            .operations.filter(
              ({ requestBody, isVendor, file }) => isVendor && file === delivery.file && requestBody !== null,
            )
            .filter(({ requestBody }) =>
              contentOf(requestBody as SourceNode).some(({ value }) =>
                JSON.stringify(value.schema).includes(`/${String(event.value.schema)}"`),
              ),
            )
          return [
            {
              file: nameOf(bench, map),
              name,
              plant: (draft) => {
                draft.remove(event)
                return takers.at(-1) ?? delivery
              },
            },
          ]
        })
      }),
  },
  {
    id: 'unknown-signature',
    what: 'a field map with a security scheme that its document does not have',
    gate: 'governance',
    rule: 'governance/signature',
    targets: (bench) =>
      eachMap(bench, (map) => [
        {
          file: nameOf(bench, map),
          name: String(map.value.vendor),
          plant: (draft) => {
            draft.set(placeOf(map, 'signature', 'scheme'), 'passphrase')
            return placeOf(map, 'signature', 'scheme')
          },
        },
      ]),
  },
  {
    id: 'unsigned-webhook',
    what: "a vendor's webhook that takes a key without a signature",
    gate: 'governance',
    rule: 'governance/signature',
    follows: { changelog: 'who may call changes' },
    targets: (bench) =>
      eachOperation(
        bench,
        ({ isVendor, value }) => isVendor && JSON.stringify(value.security).includes('tenantKey'),
        (draft, operation) => {
          draft.set(placeOf(operation, 'security'), [{ tenantKey: [] }])
          return operation
        },
      ),
  },
  {
    id: 'path-to-nowhere',
    what: "a mapped path that the vendor's schema does not have",
    gate: 'governance',
    rule: 'governance/path',
    times: 3,
    targets: (bench) =>
      eachField(
        bench,
        ({ value }) => typeof value.from === 'string' && value.from.startsWith('/'),
        (draft, field) => {
          draft.set(placeOf(field, 'from'), '/nothing/here')
          return placeOf(field, 'from')
        },
      ),
  },
  {
    id: 'unknown-canonical-event',
    what: 'a field map that gives an event which is not canonical',
    gate: 'governance',
    rule: 'governance/event',
    targets: (bench) =>
      eachGift(bench, (draft, gift) => {
        draft.set(placeOf(gift, 'event'), 'order_framed')
        return placeOf(gift, 'event')
      }),
  },
  {
    id: 'unmapped-field',
    what: 'a required field that nothing is mapped to',
    gate: 'governance',
    rule: 'governance/field',
    times: 2,
    targets: (bench) =>
      eachField(
        bench,
        ({ pointer }) => pointer.endsWith('/occurred_at'),
        (draft, field) => {
          draft.remove(field)
          return { ...field, pointer: field.pointer.replace(/\/occurred_at$/, '') }
        },
      ),
  },
  {
    id: 'unheard-of-field',
    what: 'a field that the canonical event does not have',
    gate: 'governance',
    rule: 'governance/field',
    targets: (bench) =>
      eachField(
        bench,
        ({ pointer }) => pointer.endsWith('/occurred_at'),
        (draft, field) => {
          const fields = { ...field, pointer: field.pointer.replace(/\/occurred_at$/, '') }
          draft.insert(fields, 'colour', { value: 'red', transform: ['constant'] })
          return placeOf(fields, 'colour')
        },
      ),
  },
  {
    id: 'unguarded-optional',
    what: 'a required field from a path that the vendor may leave out',
    gate: 'governance',
    rule: 'governance/optional',
    targets: (bench) =>
      eachField(
        bench,
        ({ value }, scope) =>
          value.on_missing === 'dead' && scope.gift.value.when === undefined && mayBeAbsent(bench, value.from, scope),
        (draft, field) => {
          draft.remove(placeOf(field, 'on_missing'))
          return field
        },
      ),
  },
  {
    id: 'unknown-transform',
    what: 'a transform that does not exist',
    gate: 'governance',
    rule: 'governance/type',
    targets: (bench) =>
      eachField(
        bench,
        ({ value }) => Array.isArray(value.transform),
        (draft, field) => {
          draft.set(placeOf(field, 'transform', 0), 'wish')
          return placeOf(field, 'transform', 0)
        },
      ),
  },
  {
    id: 'unfit-transform',
    what: 'a transform that cannot read what the vendor sends',
    gate: 'governance',
    rule: 'governance/type',
    targets: (bench) =>
      eachField(
        bench,
        ({ value }) => JSON.stringify(value.transform) === '["rfc3339"]',
        (draft, field) => {
          draft.set(placeOf(field, 'transform', 0), 'unix_seconds')
          return placeOf(field, 'transform', 0)
        },
      ),
  },
  {
    id: 'promised-transform',
    what: 'a transform in the list that no program does',
    gate: 'governance',
    rule: 'governance/transform',
    targets: (bench) =>
      inData(bench, 'transforms', (draft, data) => {
        const rows = childOf(data, 'transforms')
        draft.insert(placeOf(data, 'transforms'), 'wish', Object.values(rows?.value ?? {})[0] as Json)
        return placeOf(data, 'transforms', 'wish')
      }),
  },
  {
    id: 'coverage-hole',
    what: 'a vendor of which the matrix says nothing about an event',
    gate: 'governance',
    rule: 'governance/coverage',
    times: 2,
    targets: (bench) =>
      eachCoverage(bench, (draft, line, event) => {
        draft.remove(placeOf(line, event))
        return line
      }),
  },
  {
    id: 'coverage-of-nothing',
    what: 'a source event in the matrix that the field map does not have',
    gate: 'governance',
    rule: 'governance/coverage',
    targets: (bench) =>
      eachCoverage(bench, (draft, line, event) => {
        const from = childOf(line, event)?.value.from
        if (!Array.isArray(from)) {
          draft.set(placeOf(line, event), { from: ['nothing/happened'] })
          return placeOf(line, event, 'from', 0)
        }
        draft.append(placeOf(line, event, 'from'), 'nothing/happened')
        return placeOf(line, event, 'from', from.length)
      }),
  },
  {
    id: 'wrong-canonical-tag',
    what: 'an operation with the tag of another event',
    gate: 'governance',
    rule: 'governance/operation',
    times: 2,
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => typeof value['x-canonical-event'] === 'string',
        (draft, operation) => {
          draft.set(placeOf(operation, 'x-canonical-event'), 'dispute_closed')
          return placeOf(operation, 'x-canonical-event')
        },
      ),
  },
  {
    id: 'broken-invariant',
    what: 'a tagged schema that demands less than its invariant',
    gate: 'governance',
    rule: 'governance/invariant',
    times: 3,
    follows: { changelog: 'a bound of the documents changes' },
    targets: (bench) =>
      eachTagged(
        bench,
        ({ value }) => typeof value.maxLength === 'number',
        (draft, schema) => {
          draft.set(placeOf(schema, 'maxLength'), 2_000)
          return placeOf(schema, 'x-invariant')
        },
      ),
  },
  {
    id: 'unknown-invariant',
    what: 'a tag of an invariant that does not exist',
    gate: 'governance',
    rule: 'governance/invariant',
    targets: (bench) =>
      eachTagged(
        bench,
        () => true,
        (draft, schema) => {
          draft.set(placeOf(schema, 'x-invariant'), 'common_sense')
          return placeOf(schema, 'x-invariant')
        },
      ),
  },
  {
    id: 'missing-tag',
    what: 'a schema of a governed form without its tag',
    gate: 'governance',
    rule: 'governance/invariant-tag',
    times: 2,
    targets: (bench) =>
      eachTagged(
        bench,
        ({ value }) => value['x-invariant'] === 'date_time_utc',
        (draft, schema) => {
          draft.remove(placeOf(schema, 'x-invariant'))
          return schema
        },
      ),
  },
  {
    id: 'idle-invariant',
    what: 'an invariant that no schema carries',
    gate: 'governance',
    rule: 'governance/invariant-unused',
    targets: (bench) =>
      inData(bench, 'invariants', (draft, data) => {
        const invariant: JsonObject = { meaning: 'Nothing.', demands: { type: 'string', format: 'uuid' } }
        draft.insert(placeOf(data, 'invariants'), 'common_sense', invariant)
        return placeOf(data, 'invariants', 'common_sense')
      }),
  },
  {
    id: 'foreign-owner',
    what: 'an operation that names the owner of another domain',
    gate: 'governance',
    rule: 'governance/owner',
    times: 2,
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => value['x-owner'] !== undefined,
        (draft, operation) => {
          draft.set(placeOf(operation, 'x-owner'), operation.value['x-owner'] === 'revenue' ? 'platform' : 'revenue')
          return placeOf(operation, 'x-owner')
        },
      ),
  },
  {
    id: 'owner-of-nothing',
    what: 'an owner of a domain that does not exist',
    gate: 'governance',
    rule: 'governance/owner',
    targets: (bench) =>
      inData(bench, 'owners', (draft, data) => {
        const [owner = ''] = Object.keys(childOf(data, 'owners')?.value ?? {})
        const domains = childOf(data, 'owners', owner)?.value.domains as Json[]
        draft.append(placeOf(data, 'owners', owner, 'domains'), 'nowhere')
        return placeOf(data, 'owners', owner, 'domains', domains.length)
      }),
  },
  {
    id: 'lost-state',
    what: 'a state of money that no event leads to',
    gate: 'governance',
    rule: 'governance/state',
    targets: (bench) =>
      inData(bench, 'ledger-states', (draft, data) => {
        const transitions = data.value.transitions as JsonObject[]
        const state = Object.keys(childOf(data, 'states')?.value ?? {})[0] ?? ''
        for (const [index, { to }] of [...transitions.entries()].reverse()) {
          const list = to as Json[]
          if (!list.includes(state)) continue
          if (list.length === 1) draft.removeItem(placeOf(data, 'transitions', index))
          else draft.removeItem(placeOf(data, 'transitions', index, 'to', list.indexOf(state)))
        }
        return placeOf(data, 'states', state)
      }),
  },
  {
    id: 'other-policy',
    what: 'a policy with another value than the contract',
    gate: 'governance',
    rule: 'governance/policy',
    targets: (bench) =>
      eachPolicy(
        bench,
        (draft, policy) => {
          draft.set(placeOf(policy, 'value'), Number(policy.value.value) + 1)
          return policy
        },
        ({ value }) => typeof value.value === 'number' && Array.isArray(value.contract),
      ),
  },
]

function dataOf(bench: Bench, name: string): SourceNode | undefined {
  const file = join(bench.ctx.root, FOLDER, `${name}.yaml`)
  if (!existsSync(file)) return undefined
  const value = bench.ctx.files.parse(file)
  return isObject(value) ? { file, pointer: '#', value } : undefined
}

function inData(bench: Bench, name: string, plant: (draft: Draft, data: SourceNode) => PlantedAt): Target[] {
  const data = dataOf(bench, name)
  return data === undefined ? [] : [{ file: nameOf(bench, data), name, plant: (draft) => plant(draft, data) }]
}

function eachPolicy(
  bench: Bench,
  plant: (draft: Draft, policy: SourceNode) => PlantedAt,
  isFit: (policy: SourceNode) => boolean = () => true,
): Target[] {
  const data = dataOf(bench, 'policies')
  const groups = data && childOf(data, 'policies')
  return Object.entries(groups?.value ?? {}).flatMap(([group, entries]) =>
    Object.keys(isObject(entries) ? entries : {}).flatMap((name): Target[] => {
      const policy = groups && childOf(groups, group, name)
      if (policy === undefined || !isFit(policy)) return []
      return [{ file: nameOf(bench, policy), name: `${group}.${name}`, plant: (draft) => plant(draft, policy) }]
    }),
  )
}

function eachMap(bench: Bench, targets: (map: SourceNode) => Target[]): Target[] {
  const folder = join(bench.ctx.root, FOLDER, 'field-maps')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const map = dataOf(bench, `field-maps/${name.replace('.yaml', '')}`)
      return map === undefined ? [] : targets(map)
    })
}

function eachSourceEvent(bench: Bench, plant: (draft: Draft, event: SourceNode) => PlantedAt): Target[] {
  return eachMap(bench, (map) =>
    Object.keys(childOf(map, 'events')?.value ?? {}).flatMap((name): Target[] => {
      const event = childOf(map, 'events', name)
      return event === undefined ? [] : [{ file: nameOf(bench, map), name, plant: (draft) => plant(draft, event) }]
    }),
  )
}

function giftsOf(map: SourceNode): { gift: SourceNode; event: SourceNode }[] {
  return Object.keys(childOf(map, 'events')?.value ?? {}).flatMap((name) => {
    const event = childOf(map, 'events', name)
    const gives = event?.value.gives
    return (Array.isArray(gives) ? [...gives.keys()] : []).flatMap((index) => {
      const gift = event && childOf(event, 'gives', index)
      return gift === undefined || event === undefined ? [] : [{ gift, event }]
    })
  })
}

function eachGift(bench: Bench, plant: (draft: Draft, gift: SourceNode) => PlantedAt): Target[] {
  return eachMap(bench, (map) =>
    giftsOf(map).map(({ gift }) => ({
      file: nameOf(bench, map),
      name: String(gift.value.event),
      plant: (draft) => plant(draft, gift),
    })),
  )
}

/** Rules of the fields that an event gives. */
function eachField(
  bench: Bench,
  isFit: (field: SourceNode, scope: { map: SourceNode; gift: SourceNode; event: SourceNode }) => boolean,
  plant: (draft: Draft, field: SourceNode) => PlantedAt,
): Target[] {
  return eachMap(bench, (map) =>
    giftsOf(map).flatMap(({ gift, event }) =>
      Object.keys(childOf(gift, 'fields')?.value ?? {}).flatMap((name): Target[] => {
        const field = childOf(gift, 'fields', name)
        if (field === undefined || !isFit(field, { map, gift, event })) return []
        return [
          {
            file: nameOf(bench, map),
            name: `${String(gift.value.event)} ${name}`,
            plant: (draft) => plant(draft, field),
          },
        ]
      }),
    ),
  )
}

/** Whether every path is one that the vendor's schema does not demand. */
function mayBeAbsent(
  bench: Bench,
  from: Json | undefined,
  { map, event }: { map: SourceNode; event: SourceNode },
): boolean {
  const document = bench.ctx.source().documents.find(({ name }) => name === map.value.document)
  const schema = document && childOf(document, 'components', 'schemas', String(event.value.schema))
  const paths = [from ?? []].flat()
  return (
    schema !== undefined &&
    paths.length > 0 &&
    paths.every((path) => typeof path === 'string' && path.startsWith('/') && !isGuaranteed(bench.ctx, schema, path))
  )
}

function eachCoverage(bench: Bench, plant: (draft: Draft, line: SourceNode, event: string) => PlantedAt): Target[] {
  const data = dataOf(bench, 'coverage')
  const vendors = data && childOf(data, 'vendors')
  return Object.keys(vendors?.value ?? {}).flatMap((vendor) => {
    const line = vendors && childOf(vendors, vendor)
    return Object.keys(line?.value ?? {}).flatMap((event): Target[] =>
      line === undefined
        ? []
        : [{ file: nameOf(bench, line), name: `${vendor} ${event}`, plant: (draft) => plant(draft, line, event) }],
    )
  })
}

/** Schemas that carry `x-invariant`, outside the vendors' documents. */
function eachTagged(
  bench: Bench,
  isFit: (schema: SourceNode) => boolean,
  plant: (draft: Draft, schema: SourceNode) => PlantedAt,
): Target[] {
  const found = (['request', 'reply', 'parameter', 'header'] as const).flatMap((use) =>
    schemasOf(bench, use).filter((schema) => typeof schema.value['x-invariant'] === 'string' && isFit(schema)),
  )
  return found.map((schema) => ({
    file: nameOf(bench, schema),
    name: schema.pointer.slice(-60),
    plant: (draft) => plant(draft, schema),
  }))
}
