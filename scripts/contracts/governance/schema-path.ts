import { parsePath, type Token } from '../../../src/webhooks/normalize/path.ts'
import { isObject } from '../../generate/json.ts'
import type { CheckContext } from '../context.ts'
import { childOf, follow, keyOf, type SourceDocument, type SourceNode } from '../source.ts'

/** A schema with all that it says by reference or in parts: itself, its target and the branches of allOf, anyOf and oneOf. */
function partsOf(ctx: CheckContext, node: SourceNode): SourceNode[] {
  const known = ctx.once('governance/parts', () => new Map<string, SourceNode[]>())
  const parts = known.get(keyOf(node)) ?? collectParts(ctx, node, new Set())
  known.set(keyOf(node), parts)
  return parts
}

function collectParts(ctx: CheckContext, node: SourceNode, seen: Set<string>): SourceNode[] {
  if (seen.has(keyOf(node))) return []
  seen.add(keyOf(node))
  const parts = [node]
  if (node.value.$ref !== undefined) {
    const target = follow(ctx.files, { ...node, value: { $ref: node.value.$ref } })
    if (target !== undefined) parts.push(...collectParts(ctx, target, seen))
  }
  for (const keyword of ['allOf', 'anyOf', 'oneOf']) {
    const branches = node.value[keyword]
    for (const index of Array.isArray(branches) ? branches.keys() : []) {
      const branch = childOf(node, keyword, index)
      if (branch !== undefined) parts.push(...collectParts(ctx, branch, seen))
    }
  }
  return parts
}

/** The schemas of what a path finds; none where the schema does not know it. `true` for further properties is not knowing. */
export function schemasAt(ctx: CheckContext, schema: SourceNode, path: string): SourceNode[] {
  const parsed = parsePath(path)
  if ('header' in parsed) return []
  let nodes = [schema]
  for (const token of parsed.tokens) nodes = nodes.flatMap((node) => childrenOf(ctx, node, token))
  return nodes
}

function childrenOf(ctx: CheckContext, node: SourceNode, token: Token): SourceNode[] {
  if ('where' in token && partsOf(ctx, node).every((part) => childOf(part, 'items') === undefined)) {
    return token.where.every(([key]) => childrenOf(ctx, node, { name: key }).length > 0) ? [node] : []
  }
  return partsOf(ctx, node).flatMap((part) => {
    const items = childOf(part, 'items')
    if ('name' in token) {
      const property = childOf(part, 'properties', token.name) ?? childOf(part, 'additionalProperties')
      const item = /^\d+$/.test(token.name) ? items : undefined
      return [property ?? item].filter((child) => child !== undefined)
    }
    if (items === undefined) return []
    if ('each' in token) return [items]
    return token.where.every(([key]) => childrenOf(ctx, items, { name: key }).length > 0) ? [items] : []
  })
}

/** JSON types of the schemas, without null. */
export function typesOf(ctx: CheckContext, schemas: readonly SourceNode[]): Set<string> {
  const types = schemas
    .flatMap((schema) => partsOf(ctx, schema))
    .flatMap(({ value: { type } }) => (Array.isArray(type) ? type : [type]))
  return new Set(types.filter((type) => typeof type === 'string' && type !== 'null') as string[])
}

/** Whether a value is there in every body that fits the schema. */
export function isGuaranteed(ctx: CheckContext, schema: SourceNode, path: string): boolean {
  const parsed = parsePath(path)
  if ('header' in parsed) return false
  let node: SourceNode | undefined = schema
  for (const token of parsed.tokens) {
    if (node === undefined || !('name' in token) || !demands(ctx, node, token.name)) return false
    node = childrenOf(ctx, node, token)[0]
  }
  return node !== undefined && !isNullable(ctx, node)
}

function demands(ctx: CheckContext, node: SourceNode, name: string): boolean {
  const { $ref, required, allOf, anyOf, oneOf } = node.value
  if (isNullable(ctx, node)) return false
  if (Array.isArray(required) && required.includes(name)) return true
  const target = $ref === undefined ? undefined : follow(ctx.files, { ...node, value: { $ref } })
  if (target !== undefined && demands(ctx, target, name)) return true
  const each = (keyword: string, list: unknown) =>
    (Array.isArray(list) ? [...list.keys()] : []).map((index) => {
      const branch = childOf(node, keyword, index)
      return branch !== undefined && demands(ctx, branch, name)
    })
  if (each('allOf', allOf).some(Boolean)) return true
  return [each('anyOf', anyOf), each('oneOf', oneOf)].some((branches) => branches.length > 0 && branches.every(Boolean))
}

function isNullable(ctx: CheckContext, node: SourceNode): boolean {
  return partsOf(ctx, node).some(
    ({ value: { type } }) => type === 'null' || (Array.isArray(type) && type.includes('null')),
  )
}

export function componentOf(document: SourceDocument, kind: string, name: string): SourceNode | undefined {
  return childOf(document, 'components', kind, name)
}

/** The values that `const` allows, where the schema has one at this path. */
export function constantsAt(ctx: CheckContext, schema: SourceNode, path: string): string[] {
  return schemasAt(ctx, schema, path)
    .flatMap((node) => partsOf(ctx, node))
    .flatMap(({ value }) => (typeof value.const === 'string' ? [value.const] : []))
}

/** Names of the components that a schema refers to, itself or by its choices. */
export function namesIn(schema: unknown): string[] {
  if (!isObject(schema)) return []
  const own = typeof schema.$ref === 'string' ? [schema.$ref.split('/').at(-1) ?? ''] : []
  const choices = [schema.anyOf, schema.oneOf].flatMap((list) => (Array.isArray(list) ? list : []))
  return [...own, ...choices.flatMap(namesIn)]
}
