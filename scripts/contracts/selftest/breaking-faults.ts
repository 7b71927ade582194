import type { OpenApiDocument } from '../../generate/contract.ts'
import { atPointer, isObject, type Json, type JsonObject } from '../../generate/json.ts'
import { newestBaseline } from '../baselines.ts'
import { deriveStatuses } from '../profile/statuses.ts'
import { childOf, contentOf, placeOf, type SourceOperation } from '../source.ts'
import type { Bench, Draft, Operator, PlantedAt, Target } from './operator.ts'
import { type BenchSchema, eachDocument, eachOperation, eachReply, eachSchema, isRecord, nameOf } from './targets.ts'

/**
 * Changes since version 1.0.0 that break callers, without a step of the version. What needs an example to change with it is
 * planted from the other side: the frozen contract promises what the documents do not have.
 */
export const breakingFaults: readonly Operator[] = [
  breaking('removed-operation', 'an operation that is gone', 2, (bench) =>
    eachOperation(
      bench,
      (operation) =>
        isFree(bench, operation) &&
        Object.keys(childOf(operation.document, 'paths', operation.path)?.value ?? {}).length === 1,
      (draft, { document, path }) => {
        draft.remove(placeOf(document, 'paths', path))
        return placeOf(document, 'paths')
      },
    ),
  ),
  breaking('removed-method', 'a method that its path has lost', 1, (bench) =>
    eachOperation(
      bench,
      (operation) =>
        isFree(bench, operation) &&
        Object.keys(childOf(operation.document, 'paths', operation.path)?.value ?? {}).length > 1,
      (draft, operation) => {
        draft.remove(operation)
        return placeOf(operation.document, 'paths', operation.path)
      },
    ),
  ),
  breaking('removed-status', 'a status that is gone', 1, (bench) =>
    eachOperation(
      bench,
      (operation) => removableStatus(operation) !== undefined,
      (draft, operation) => {
        draft.remove(placeOf(operation, 'responses', removableStatus(operation) ?? ''))
        return placeOf(operation, 'responses')
      },
    ),
  ),
  breaking('removed-property', 'a property of an answer that is gone', 2, (bench) =>
    eachBaselineSchema(
      bench,
      'reply',
      () => true,
      (old, schema) => {
        const properties = old.properties as JsonObject
        properties.probe = { type: 'string', maxLength: 10 }
        return placeOf(schema, 'properties')
      },
    ),
  ),
  breaking('shorter-request', 'a request property that takes less than before', 2, (bench) =>
    eachSchema(
      bench,
      'request',
      ({ value }) => Number(value.maxLength) >= 100 && value['x-invariant'] === undefined,
      (draft, schema) => {
        draft.set(placeOf(schema, 'maxLength'), Number(schema.value.maxLength) - 1)
        return placeOf(schema, 'maxLength')
      },
    ),
  ),
  breaking('required-parameter', 'a parameter that became required', 1, (bench) =>
    eachOperation(
      bench,
      ({ isVendor, ...operation }) => !isVendor && optionalParameter({ isVendor, ...operation }) !== undefined,
      (draft, operation) => {
        const parameter = optionalParameter(operation) ?? operation
        draft.set(placeOf(parameter, 'required'), true)
        return placeOf(parameter, 'required')
      },
    ),
  ),
  breaking('higher-role', 'an operation for managers that is for admins now', 1, (bench) =>
    eachOperation(
      bench,
      ({ value }) => value['x-required-role'] === 'manager',
      (draft, operation) => {
        draft.set(placeOf(operation, 'x-required-role'), 'admin')
        return placeOf(operation, 'x-required-role')
      },
    ),
  ),
  breaking('null-in-reply', 'a property of an answer that may be null now', 2, (bench) =>
    eachSchema(
      bench,
      'reply',
      ({ value, pointer }) =>
        value.type === 'string' &&
        value['x-invariant'] === undefined &&
        value.enum === undefined &&
        pointer.includes('/properties/'),
      (draft, schema) => {
        draft.set(placeOf(schema, 'type'), ['string', 'null'])
        return placeOf(schema, 'type')
      },
    ),
  ),
  breaking('optional-in-reply', 'a property of an answer that may be absent now', 2, (bench) =>
    eachSchema(
      bench,
      'reply',
      (schema) =>
        isOfDomain(schema) &&
        isRecord(schema) &&
        requiredOf(schema).length > 1 &&
        !requiredOf(schema).includes('items'),
      (draft, schema) => {
        draft.removeItem(placeOf(schema, 'required', 0))
        return placeOf(schema, 'required')
      },
    ),
  ),
  breaking('new-value-in-reply', 'a value of an answer that callers do not know', 1, (bench) =>
    eachSchema(
      bench,
      'reply',
      ({ value, file }) => Array.isArray(value.enum) && value['x-invariant'] === undefined && isOfDomain({ file }),
      (draft, schema) => {
        draft.append(placeOf(schema, 'enum'), 'probe')
        return placeOf(schema, 'enum')
      },
    ),
  ),
  breaking('renamed-operation', 'an operation with another operationId', 1, (bench) =>
    eachOperation(
      bench,
      (operation) => !isLinked(bench, operation) && !operation.isVendor,
      (draft, operation) => {
        draft.set(placeOf(operation, 'operationId'), `${operation.id}Renamed`)
        return placeOf(operation, 'operationId')
      },
    ),
  ),
  breaking('demanded-property', 'a new property that requests must have', 2, (bench) =>
    eachBaselineSchema(
      bench,
      'request',
      (schema) => requiredOf(schema).length > 0,
      (old, schema) => {
        const [name = ''] = requiredOf(schema)
        delete (old.properties as JsonObject)[name]
        old.required = requiredOf(schema).slice(1)
        return placeOf(schema, 'properties', name)
      },
    ),
  ),
  breaking('now-required', 'a property that requests must have now', 1, (bench) =>
    eachBaselineSchema(
      bench,
      'request',
      (schema) => requiredOf(schema).length > 0,
      (old, schema) => {
        old.required = requiredOf(schema).slice(1)
        return placeOf(schema, 'required')
      },
    ),
  ),
  breaking('refused-null', 'a null that requests may not send any more', 1, (bench) =>
    eachBaselineSchema(
      bench,
      'request',
      (schema) => stringProperty(schema) !== undefined,
      (old, schema) => {
        const name = stringProperty(schema) ?? ''
        const property = (old.properties as JsonObject)[name] as JsonObject
        property.type = ['string', 'null']
        return placeOf(schema, 'properties', name, 'type')
      },
    ),
  ),
  breaking('lost-value', 'a value that requests may not send any more', 1, (bench) =>
    eachBaselineSchema(
      bench,
      'request',
      (schema) => enumProperty(schema) !== undefined,
      (old, schema) => {
        const name = enumProperty(schema) ?? ''
        const property = (old.properties as JsonObject)[name] as JsonObject
        property.enum = [...(property.enum as Json[]), 'probe']
        return placeOf(schema, 'properties', name, 'enum')
      },
    ),
  ),
  breaking('credentials-needed', 'a public operation that asks for credentials now', 1, (bench) =>
    eachBaselineOperation(
      bench,
      ({ value }) => Array.isArray(value.security) && value.security.length > 0,
      (old, operation) => {
        old.security = []
        return placeOf(operation, 'security')
      },
    ),
  ),
  breaking('lost-parameter', 'a query parameter that is refused now', 1, (bench) =>
    eachBaselineOperation(
      bench,
      ({ value, isVendor }) => Array.isArray(value.parameters) && !isVendor,
      (old, operation) => {
        old.parameters = [
          ...(old.parameters as Json[]),
          { name: 'probe', in: 'query', required: false, schema: { type: 'string', maxLength: 10 } },
        ]
        return placeOf(operation, 'parameters')
      },
    ),
  ),
  breaking('lost-media-type', 'a media type that an answer lost', 1, (bench) =>
    eachReply(
      bench,
      ({ status, response }) => /^2/.test(status) && contentOf(response).length > 0,
      (draft, { status, at }, operation) =>
        inBaseline(bench, draft, (document) => {
          const reply = atPointer(document, `${operation.pointer}/responses/${status}`)
          if (isObject(reply)) (reply.content as JsonObject)['text/csv'] = { schema: { type: 'string', maxLength: 10 } }
          return at
        }),
    ),
  ),
  {
    id: 'older-version',
    what: 'a version before the newest baseline',
    gate: 'breaking',
    rule: 'breaking/order',
    base: 'frozen',
    targets: (bench) =>
      eachDocument(
        bench,
        (_document, index) => index === 0,
        (draft, first) => {
          for (const document of bench.ctx.source().documents) {
            draft.set(placeOf(document, 'info', 'version'), '0.0.1')
          }
          return placeOf(first, 'info', 'version')
        },
      ),
  },
]

function breaking(id: string, what: string, times: number, targets: Operator['targets']): Operator {
  return {
    id,
    what,
    gate: 'breaking',
    rule: 'breaking/version-step',
    base: 'frozen',
    times,
    follows: {
      governance: 'it may name what is gone',
      'error-model': 'a code that only the lost answer had is unused now',
    },
    targets,
  }
}

function isOfDomain({ file }: Pick<BenchSchema, 'file'>): boolean {
  return !file.includes('_common')
}

function requiredOf({ value }: { value: JsonObject }): string[] {
  return (Array.isArray(value.required) ? value.required : []).map(String)
}

function isLinked(bench: Bench, { id }: SourceOperation): boolean {
  return bench.ctx
    .source()
    .operations.some(({ replies }) =>
      replies.some(({ response }) => JSON.stringify(response.value.links ?? {}).includes(`"${id}"`)),
    )
}

/** Nothing links to the operation, and nothing that it uses would be left without a user. */
function isFree(bench: Bench, operation: SourceOperation): boolean {
  const own = JSON.stringify(operation.value)
  const all = JSON.stringify(operation.document.value.paths)
  const components = [...own.matchAll(/"#\/components\/[^"]+"/g)].map(([ref]) => ref)
  const schemes = [operation.value.security ?? []].flat().flatMap((row) => Object.keys(isObject(row) ? row : {}))
  const isShared = (text: string) => all.split(text).length > own.split(text).length
  return (
    !isLinked(bench, operation) && components.every(isShared) && schemes.every((scheme) => isShared(`"${scheme}":[`))
  )
}

/** A status of the domain, that may go without breaking the algebra of statuses. */
function removableStatus(operation: SourceOperation): string | undefined {
  const { required } = deriveStatuses(operation)
  // The answer of a component is shown elsewhere too, so that its codes stay in use.
  return operation.replies.find(
    ({ status, at, response }) =>
      /^(?:404|409|410)$/.test(status) && !required.has(Number(status)) && response.file !== at.file,
  )?.status
}

function optionalParameter({ parameters, file }: SourceOperation) {
  return parameters.find(
    (parameter) => parameter.value.in === 'query' && parameter.value.required === false && parameter.file === file,
  )
}

function stringProperty(schema: BenchSchema): string | undefined {
  return Object.keys(childOf(schema, 'properties')?.value ?? {}).find(
    (name) => childOf(schema, 'properties', name)?.value.type === 'string',
  )
}

function enumProperty(schema: BenchSchema): string | undefined {
  return Object.keys(childOf(schema, 'properties')?.value ?? {}).find((name) =>
    Array.isArray(childOf(schema, 'properties', name)?.value.enum),
  )
}

/** Changes the frozen contract instead of the documents. */
function inBaseline(bench: Bench, draft: Draft, change: (document: OpenApiDocument) => PlantedAt): PlantedAt {
  const baseline = newestBaseline(bench.ctx)
  if (baseline === undefined) throw new TypeError('there is no baseline')
  const file = nameOf(bench, baseline)
  const document = JSON.parse(draft.read(file)) as OpenApiDocument
  const at = change(document)
  draft.write(file, `${JSON.stringify(document, null, 2)}\n`)
  return at
}

/** Object schemas that are components of a document. */
function eachBaselineSchema(
  bench: Bench,
  use: 'request' | 'reply',
  isFit: (schema: BenchSchema) => boolean,
  change: (old: JsonObject, schema: BenchSchema) => PlantedAt,
): Target[] {
  return eachSchema(
    bench,
    use,
    (schema) => /^#\/components\/schemas\/\w+$/.test(schema.pointer) && isRecord(schema) && isFit(schema),
    (draft, schema) =>
      inBaseline(bench, draft, (document) => {
        const old = atPointer(document, schema.pointer)
        if (!isObject(old)) throw new TypeError(`the baseline has no ${schema.pointer}`)
        return change(old, schema)
      }),
  )
}

function eachBaselineOperation(
  bench: Bench,
  isFit: (operation: SourceOperation) => boolean,
  change: (old: JsonObject, operation: SourceOperation) => PlantedAt,
): Target[] {
  return eachOperation(bench, isFit, (draft, operation) =>
    inBaseline(bench, draft, (document) => {
      const old = atPointer(document, operation.pointer)
      if (!isObject(old)) throw new TypeError(`the baseline has no ${operation.pointer}`)
      return change(old, operation)
    }),
  )
}
