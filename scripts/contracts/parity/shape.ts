import { formats } from '../../generate/formats.ts'
import { compareText, isObject, type Json } from '../../generate/json.ts'

export type Kind = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object'

/** What many values have in common: a lattice whose join forgets most of the values and keeps kinds, members and formats. */
export interface Shape {
  kinds: Kind[]
  /** Of the texts: the formats that every one of them has. Absent without a text. */
  formats?: string[]
  /** Of texts, numbers and booleans; null when there are too many to be a list. */
  values?: Json[] | null
  object?: { count: number; members: Map<string, { count: number; shape: Shape }> }
  /** Of all items of all arrays; absent where all arrays are empty. */
  items?: Shape
}

/** Closed lists of the contract are shorter. */
const MAX_VALUES = 200
const FORMATS = Object.entries(formats)

export function shapeOf(value: Json): Shape {
  const kind = kindOf(value)
  if (Array.isArray(value)) {
    return { kinds: [kind], ...(value.length === 0 ? {} : { items: joinShapes(value.map(shapeOf)) }) }
  }
  if (isObject(value)) {
    const members = new Map(Object.entries(value).map(([name, member]) => [name, { count: 1, shape: shapeOf(member) }]))
    return { kinds: [kind], object: { count: 1, members } }
  }
  if (typeof value === 'string') {
    const own = FORMATS.filter(([, format]) => format.test(value)).map(([name]) => name)
    return { kinds: [kind], formats: own, values: [value] }
  }
  return value === null ? { kinds: [kind] } : { kinds: [kind], values: [value] }
}

/** The least shape that holds all of them. Throws for none. */
export function joinShapes(shapes: readonly Shape[]): Shape {
  const [first, ...others] = shapes
  if (first === undefined) throw new Error('there is no shape of nothing')
  return others.reduce(join, first)
}

function join(a: Shape, b: Shape): Shape {
  return {
    kinds: [...new Set([...a.kinds, ...b.kinds])].sort(compareText),
    ...merge('formats', a.formats, b.formats, common),
    ...merge('values', a.values, b.values, joinValues),
    ...merge('object', a.object, b.object, joinObjects),
    ...merge('items', a.items, b.items, join),
  }
}

/** What one side alone has is kept as it is. */
function merge<Key extends keyof Shape, Part extends Shape[Key]>(
  key: Key,
  a: Part | undefined,
  b: Part | undefined,
  both: (a: Part, b: Part) => Part,
): { [K in Key]?: Part } {
  const part = a === undefined ? b : b === undefined ? a : both(a, b)
  return part === undefined ? {} : ({ [key]: part } as { [K in Key]?: Part })
}

function common(a: string[], b: string[]): string[] {
  return a.filter((name) => b.includes(name))
}

function joinValues(a: Json[] | null, b: Json[] | null): Json[] | null {
  if (a === null || b === null) return null
  const values = [...new Set([...a, ...b])]
  return values.length > MAX_VALUES ? null : values
}

type ObjectShape = NonNullable<Shape['object']>

function joinObjects(a: ObjectShape, b: ObjectShape): ObjectShape {
  const members = new Map(a.members)
  for (const [name, right] of b.members) {
    const left = members.get(name)
    members.set(
      name,
      left === undefined ? right : { count: left.count + right.count, shape: join(left.shape, right.shape) },
    )
  }
  return { count: a.count + b.count, members }
}

export function kindOf(value: Json): Kind {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value as Kind
}
