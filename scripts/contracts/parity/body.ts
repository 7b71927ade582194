import { escapePointer } from '../../../src/http/json.ts'
import type { Json } from '../../generate/json.ts'
import type { Cell, ContractDocument } from './contract.ts'
import { type Disagreement, nameOfSide, type Side } from './disagreement.ts'
import {
  itemOf,
  memberOf,
  type Permission,
  permissionOf,
  permittedFormats,
  permittedKinds,
  permittedValues,
  requiredMembers,
} from './schema.ts'
import { joinShapes, type Kind, type Shape, shapeOf } from './shape.ts'

interface Walk {
  document: ContractDocument
  found: Disagreement[]
}

type Shapes = Readonly<Record<Side, Shape | undefined>>

const SIDES: readonly Side[] = ['real', 'mock']

/**
 * How the bodies of both sides differ beyond what the schema leaves open: optional members, nullable values and the
 * branches of a choice may differ, and values always do. Works on shapes and reads the schema by itself, so that it
 * does not repeat what the generated validators say.
 */
export function compareBodies(
  document: ContractDocument,
  cell: Cell,
  bodies: Readonly<Record<Side, readonly Json[]>>,
): Disagreement[] {
  if (cell.schema === null) return []
  const shapeOfAll = (values: readonly Json[]) => (values.length === 0 ? undefined : joinShapes(values.map(shapeOf)))
  const walk: Walk = { document, found: [] }
  compareShapes(walk, permissionOf(document, cell.schema), '', {
    real: shapeOfAll(bodies.real),
    mock: shapeOfAll(bodies.mock),
  })
  return walk.found
}

function compareShapes(walk: Walk, permission: Permission, pointer: string, shapes: Shapes): void {
  const kinds = permittedKinds(permission)
  for (const side of SIDES) {
    const shape = shapes[side]
    if (shape === undefined) continue
    for (const kind of shape.kinds) {
      if (kinds.has(kind)) continue
      report(walk, pointer, `${nameOfSide(side)} has ${article(kind)} where ${listOf(kinds)} is documented`)
    }
    compareTexts(walk, permission, pointer, side, shape)
  }
  compareMembers(walk, permission, pointer, shapes)
  const items = { real: shapes.real?.items, mock: shapes.mock?.items }
  if (kinds.has('array') && (items.real ?? items.mock) !== undefined) {
    compareShapes(walk, itemOf(walk.document, permission), `${pointer}/*`, items)
  }
}

function compareTexts(walk: Walk, permission: Permission, pointer: string, side: Side, shape: Shape): void {
  const formats = shape.kinds.includes('string') ? permittedFormats(permission) : []
  if (formats.length > 0 && !formats.some((format) => shape.formats?.includes(format))) {
    report(walk, pointer, `${nameOfSide(side)} has a text that is no ${formats.join(' or ')}`)
  }
  for (const value of shape.values ?? []) {
    const values = permittedValues(permission, kindOfScalar(value))
    if (values === null || values.has(value)) continue
    report(walk, pointer, `${nameOfSide(side)} has ${JSON.stringify(value)}, which is not one of the documented values`)
  }
}

function kindOfScalar(value: Json): Kind {
  return typeof value === 'number' ? (Number.isInteger(value) ? 'integer' : 'number') : (typeof value as Kind)
}

function compareMembers(walk: Walk, permission: Permission, pointer: string, shapes: Shapes): void {
  const required = requiredMembers(permission)
  for (const side of SIDES) {
    const object = shapes[side]?.object
    if (object === undefined) continue
    for (const name of required) {
      if ((object.members.get(name)?.count ?? 0) === object.count) continue
      report(walk, `${pointer}/${escapePointer(name)}`, `${nameOfSide(side)} lacks this member, which is required`)
    }
  }
  const { real, mock } = { real: shapes.real?.object?.members, mock: shapes.mock?.object?.members }
  for (const name of new Set([...(real?.keys() ?? []), ...(mock?.keys() ?? [])])) {
    const at = `${pointer}/${escapePointer(name)}`
    const member = memberOf(walk.document, permission, name)
    const own = { real: real?.get(name)?.shape, mock: mock?.get(name)?.shape }
    if (member !== null) compareShapes(walk, member, at, own)
    else {
      for (const side of SIDES.filter((one) => own[one] !== undefined))
        report(walk, at, `${nameOfSide(side)} has this member, which is not documented`)
    }
  }
}

function report({ found }: Walk, at: string, message: string): void {
  found.push({ matter: 'body', at, message })
}

function article(kind: Kind): string {
  if (kind === 'null') return 'null'
  return `${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}`
}

function listOf(kinds: ReadonlySet<Kind>): string {
  const names = [...kinds].filter((kind) => kind !== 'integer' || !kinds.has('number'))
  return names.length === 0 ? 'nothing' : names.map(article).join(' or ')
}
