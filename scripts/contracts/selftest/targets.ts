import { isObject, type JsonObject } from '../../generate/json.ts'
import { usedSchemas } from '../profile/schemas.ts'
import {
  childOf,
  contentOf,
  follow,
  placeOf,
  type SourceNode,
  type SourceOperation,
  type SourceReply,
} from '../source.ts'
import type { Bench, Draft, PlantedAt, Target } from './operator.ts'

/** Where the documents of a bench offer themselves to be spoiled. */

export function nameOf({ ctx }: Bench, { file }: { file: string }): string {
  return ctx.files.name(file)
}

export function eachOperation(
  bench: Bench,
  isFit: (operation: SourceOperation) => boolean,
  plant: (draft: Draft, operation: SourceOperation) => PlantedAt,
): Target[] {
  return bench.ctx
    .source()
    .operations.filter(isFit)
    .map((operation) => ({
      file: nameOf(bench, operation),
      name: operation.id,
      plant: (draft) => plant(draft, operation),
    }))
}

/** Answers that are written where the operation stands. */
export function eachReply(
  bench: Bench,
  isFit: (reply: SourceReply, operation: SourceOperation) => boolean,
  plant: (draft: Draft, reply: SourceReply, operation: SourceOperation) => PlantedAt,
): Target[] {
  return bench.ctx.source().operations.flatMap((operation) =>
    operation.replies
      .filter((reply) => reply.response.pointer === reply.at.pointer && isFit(reply, operation))
      .map((reply) => ({
        file: nameOf(bench, operation),
        name: `${operation.id} ${reply.status}`,
        plant: (draft: Draft) => plant(draft, reply, operation),
      })),
  )
}

export function eachDocument(
  bench: Bench,
  isFit: (document: SourceNode, index: number) => boolean,
  plant: (draft: Draft, document: SourceNode) => PlantedAt,
): Target[] {
  return bench.ctx
    .source()
    .documents.filter(isFit)
    .map((document) => ({
      file: nameOf(bench, document),
      name: document.name,
      plant: (draft) => plant(draft, document),
    }))
}

export type Use = 'request' | 'reply' | 'vendor' | 'parameter' | 'header'

export interface BenchSchema extends SourceNode {
  uses: ReadonlySet<Use>
  names: ReadonlySet<string>
}

/** Schemas that operations use. Of `use` only: a fault in one that has other uses too would be another fault there. */
export function schemasOf(bench: Bench, use: Use): BenchSchema[] {
  return usedSchemas(bench.ctx).filter(({ uses }) => uses.size === 1 && uses.has(use))
}

export function eachSchema(
  bench: Bench,
  use: Use,
  isFit: (schema: BenchSchema) => boolean,
  plant: (draft: Draft, schema: BenchSchema) => PlantedAt,
): Target[] {
  return schemasOf(bench, use)
    .filter(isFit)
    .map((schema) => ({
      file: nameOf(bench, schema),
      name: schema.pointer.split('/').slice(3).join('/').slice(-60),
      plant: (draft) => plant(draft, schema),
    }))
}

/** A closed object with properties, whose parts can be spoiled by adding an optional property. */
export function isRecord({ value }: SourceNode): boolean {
  return value.type === 'object' && isObject(value.properties) && value.additionalProperties === false
}

/** Adds an optional property to an object; examples stay valid. */
export function addProperty(draft: Draft, schema: SourceNode, name: string, property: JsonObject): PlantedAt {
  draft.insert(placeOf(schema, 'properties'), name, property)
  return placeOf(schema, 'properties', name)
}

/** The schema and the first example of a JSON body that is written where the operation stands. */
export interface BenchBody {
  media: SourceNode
  /** The map of named examples. */
  examples: string[]
  schema: SourceNode
}

export function bodyOf(bench: Bench, owner: SourceNode, mediaType = 'application/json'): BenchBody | undefined {
  const media = contentOf(owner).find((each) => each.mediaType === mediaType)
  const written = media && childOf(media, 'schema')
  const schema = written && follow(bench.ctx.files, written)
  if (media === undefined || schema === undefined) return undefined
  return { media, schema, examples: Object.keys(childOf(media, 'examples')?.value ?? {}) }
}

/** A member of an example that must be a string, and is one. */
export function stringMember(bench: Bench, { media, schema, examples }: BenchBody): SourceNode['pointer'] | undefined {
  const [name = ''] = examples
  const value = childOf(media, 'examples', name, 'value')?.value
  for (const key of Object.keys(value ?? {})) {
    const written = childOf(schema, 'properties', key)
    const property = written && follow(bench.ctx.files, written)
    if (typeof value?.[key] === 'string' && property?.value.type === 'string') {
      return placeOf(media, 'examples', name, 'value', key).pointer
    }
  }
  return undefined
}
