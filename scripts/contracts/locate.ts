import { basename } from 'node:path'
import { isObject, pointerTokens } from '../generate/json.ts'
import type { CheckContext } from './context.ts'
import type { Place } from './finding.ts'
import { childOf, follow, placeOf, references, type SourceNode, targetOf } from './source.ts'

/** Where a pointer into a bundle is written. Falls back to the nearest ancestor, at last to the first document. */
export function placeInSource(ctx: CheckContext, pointer: string): Place {
  const [kind, first = '', second = '', ...rest] = pointerTokens(pointer)
  const [root] = ctx.source().documents
  const fallback: Place = { file: root?.file ?? ctx.folder, pointer: '#' }
  if (kind === 'paths') {
    const owner = ctx.source().documents.find(({ value }) => isObject(value.paths) && value.paths[first] !== undefined)
    if (owner === undefined) return fallback
    return walk(
      ctx,
      owner,
      ['paths', first, second, ...rest].filter((token, index) => index !== 2 || token !== ''),
    )
  }
  if (kind === 'components') {
    const definition = definitions(ctx).get(`${first}/${second}`) ?? definitions(ctx).get(second)
    return definition === undefined ? fallback : walk(ctx, definition, rest)
  }
  return kind === undefined || root === undefined ? fallback : walk(ctx, root, pointerTokens(pointer))
}

function walk(ctx: CheckContext, start: SourceNode, tokens: string[]): Place {
  let place: Place = start
  let node: SourceNode | undefined = start
  for (const token of tokens) {
    node = node && follow(ctx.files, node)
    if (node === undefined) return place
    const list = node.value as unknown
    const value: unknown = isObject(list) || Array.isArray(list) ? (list as Record<string, unknown>)[token] : undefined
    if (value === undefined) return place
    place = placeOf(node, token)
    node = { ...place, value: value as SourceNode['value'] }
    if (!isObject(value) && !Array.isArray(value)) node = undefined
  }
  return place
}

/** Components by `<kind>/<name>`; files that are referred to as a whole by their name, which is what the bundle calls them. */
function definitions(ctx: CheckContext): Map<string, SourceNode> {
  return ctx.once('definitions', () => {
    const found = new Map<string, SourceNode>()
    for (const file of ctx.source().files) {
      const value = ctx.files.parse(file)
      if (!isObject(value)) continue
      const document: SourceNode = { file, pointer: '#', value }
      for (const kind of Object.keys(childOf(document, 'components')?.value ?? {})) {
        for (const name of Object.keys(childOf(document, 'components', kind)?.value ?? {})) {
          const component = childOf(document, 'components', kind, name)
          // An entry that is only a reference to another file is not the definition.
          if (component !== undefined && component.value.$ref === undefined) found.set(`${kind}/${name}`, component)
        }
      }
    }
    for (const file of ctx.source().files) {
      for (const { ref } of references({ file, pointer: '#' }, ctx.files.parse(file))) {
        const target = targetOf(file, ref)
        const name = pointerTokens(target.pointer).at(-1) ?? basename(target.file).replace(/\.[^.]*$/, '')
        if (found.has(name)) continue
        const node = follow(ctx.files, { file, pointer: '#', value: { $ref: ref } })
        if (node !== undefined) found.set(name, node)
      }
    }
    return found
  })
}
