import { atPointer, isObject, type Json } from '../generate/json.ts'
import type { CheckContext } from './context.ts'
import type { Fault } from './finding.ts'
import { follow, keyOf, placeOf, references, type SourceNode, targetOf } from './source.ts'

/** References that lead back to themselves, and schemas of which no finite value exists. */
export function cyclicReferences(ctx: CheckContext): Fault[] {
  return ctx.once('cycles', () => {
    const faults: Fault[] = []
    const targets = new Map<string, SourceNode>()
    const reported = new Set<string>()
    for (const file of ctx.source().files) {
      for (const { place, ref } of references({ file, pointer: '#' }, ctx.files.parse(file))) {
        const node: SourceNode = { ...place, pointer: place.pointer.replace(/\/\$ref$/, ''), value: { $ref: ref } }
        const target = follow(ctx.files, node)
        if (target !== undefined) targets.set(keyOf(target), target)
        else {
          const circle = circleOf(ctx, node)
          const key = [...circle].sort().join(' ')
          if (circle.length === 0 || reported.has(key)) continue
          reported.add(key)
          const way = [...circle, circle[0] ?? ''].map(nameOf).join(' → ')
          faults.push({ message: `this reference leads back to itself: ${way}`, at: place })
        }
      }
    }
    return faults.length > 0 ? faults : endlessSchemas(ctx, targets)
  })
}

/**
 * The targets, in order, where a reference leads by references alone to itself; empty where it only leads into a circle,
 * or to something that is no object.
 */
function circleOf(ctx: CheckContext, start: SourceNode): string[] {
  const circle: string[] = []
  const origin = keyOf({ file: start.file, pointer: start.pointer })
  for (let ref: unknown = start.value.$ref, { file } = start; typeof ref === 'string'; ) {
    const target = targetOf(file, ref)
    if (circle.includes(keyOf(target))) return []
    circle.push(keyOf(target))
    if (keyOf(target) === origin) return circle
    const value = atPointer(ctx.files.parse(target.file), target.pointer)
    file = target.file
    ref = isObject(value) ? value.$ref : undefined
  }
  return []
}

/** The last token of a place: the name of a component. */
function nameOf(key: string): string {
  return key.split('/').at(-1) ?? key
}

/**
 * A schema has an end when a finite value fits it: the least fixed point over all schemas that something refers to.
 * Only what is inside a circle is reported, not what leads into it.
 */
function endlessSchemas(ctx: CheckContext, targets: Map<string, SourceNode>): Fault[] {
  const ending = new Set<string>()
  const canEnd = (node: SourceNode, onEndless: (key: string) => void = () => {}): boolean => {
    const child = (value: Json | undefined, ...tokens: (string | number)[]): boolean =>
      !isObject(value) || canEnd({ ...placeOf(node, ...tokens), value }, onEndless)
    const { value } = node
    if (typeof value.$ref === 'string') {
      const target = follow(ctx.files, { ...node, value: { $ref: value.$ref } })
      const key = target === undefined ? '' : keyOf(target)
      if (targets.has(key) && !ending.has(key)) {
        onEndless(key)
        return false
      }
    }
    const list = (key: string) => (Array.isArray(value[key]) ? value[key] : [])
    if (list('allOf').some((part, index) => !child(part, 'allOf', index))) return false
    for (const key of ['anyOf', 'oneOf']) {
      const parts = list(key)
      if (parts.length > 0 && parts.every((part, index) => !child(part, key, index))) return false
    }
    const types = [value.type].flat().filter((type) => type !== undefined)
    if (value.enum !== undefined || value.const !== undefined) return true
    if (types.length > 0 && types.some((type) => type !== 'object' && type !== 'array')) return true
    const isArrayOnly = types.length > 0 && types.every((type) => type === 'array')
    const isObjectOnly = types.length > 0 && types.every((type) => type === 'object')
    const needsItem = typeof value.minItems === 'number' && value.minItems > 0
    if (isArrayOnly && needsItem && !child(value.items, 'items')) return false
    if (isObjectOnly || types.length === 0) {
      const properties = isObject(value.properties) ? value.properties : {}
      for (const name of list('required')) {
        if (typeof name === 'string' && !child(properties[name], 'properties', name)) return false
      }
    }
    return true
  }
  for (let grew = true; grew; ) {
    grew = false
    for (const [key, node] of targets) {
      if (ending.has(key) || !canEnd(node)) continue
      ending.add(key)
      grew = true
    }
  }
  const endless = new Map([...targets].filter(([key]) => !ending.has(key)))
  const edges = new Map([...endless].map(([key, node]) => [key, blockersOf(canEnd, node)]))
  const told = new Set<string>()
  return [...endless].flatMap(([key, node]): Fault[] => {
    const circle = circleThrough(edges, key)
    if (circle.length === 0 || circle.some((member) => told.has(member))) return []
    for (const member of circle) told.add(member)
    const way = [...circle, key].map(nameOf).join(' → ')
    return [{ message: `no value can fit this schema, since it must contain itself without end: ${way}`, at: node }]
  })
}

function blockersOf(
  canEnd: (node: SourceNode, onEndless: (key: string) => void) => boolean,
  node: SourceNode,
): Set<string> {
  const blockers = new Set<string>()
  canEnd(node, (key) => blockers.add(key))
  return blockers
}

/** The shortest way from a key back to itself, without its end; empty where there is none. */
function circleThrough(edges: Map<string, Set<string>>, start: string): string[] {
  const pending: string[][] = [[start]]
  const seen = new Set<string>()
  for (let way = pending.shift(); way !== undefined; way = pending.shift()) {
    for (const next of edges.get(way.at(-1) ?? '') ?? []) {
      if (next === start) return way
      if (seen.has(next)) continue
      seen.add(next)
      pending.push([...way, next])
    }
  }
  return []
}
