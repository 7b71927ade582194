import type { Vendor } from '../../context.ts'
import { fieldMaps } from './field-map.ts'
import { placeholdersOf } from './path.ts'

/** First transforms that make nothing of a text that they cannot read: such a value is left out of what is read, too. */
const LENIENT: ReadonlySet<unknown> = new Set(['identity_token', 'linked_order'])

interface Read {
  /** Of lists, an event of each of whose items is made. */
  lists: ReadonlySet<string>
  /** Of values, or of things all of whose parts are read. */
  values: ReadonlySet<string>
}

const known = new Map<string, Read>()

/**
 * Whether a value at this path may decide what a delivery says: the map of its topic reads it, or it is a mark such as that
 * of a test. What is kept then says too little where such a value was left out. `path` is as the map has it.
 */
export function isDeciding(vendor: Vendor, topic: string, path: string): boolean {
  const stored = fieldMaps.stored[vendor] ?? {}
  const keeping = (Object.hasOwn(stored, topic) ? stored[topic] : stored['*'])?.[path] ?? []
  if (keeping.includes('flag')) return true
  const { lists, values } = readBy(vendor, topic)
  return lists.has(path) || [path, ...ancestorsOf(path)].some((place) => values.has(place))
}

function readBy(vendor: Vendor, topic: string): Read {
  const name = `${vendor} ${topic}`
  const made = known.get(name)
  if (made !== undefined) return made
  const map = fieldMaps.vendors[vendor]
  const event = map !== undefined && Object.hasOwn(map.events, topic) ? map.events[topic] : undefined
  const lists = (event?.gives ?? []).flatMap(({ for_each }) => (for_each === undefined ? [] : [for_each]))
  const read = {
    lists: new Set(lists),
    values: new Set([map?.test_mode, event?.expect, event?.gives].flatMap(pathsIn)),
  }
  known.set(name, read)
  return read
}

/** All paths of values in a part of a map, but for those that may be unreadable. */
function pathsIn(part: unknown): string[] {
  if (typeof part === 'string') return part.startsWith('/') ? [part] : []
  if (typeof part !== 'object' || part === null) return []
  if (Array.isArray(part)) return part.flatMap(pathsIn)
  const { skip_invalid: isSkipped, transform, template, for_each: _list, ...rest } = part as Record<string, unknown>
  if (isSkipped === true || (Array.isArray(transform) && LENIENT.has(transform[0]))) return []
  const ofTemplate = typeof template === 'string' ? placeholdersOf(template).paths : []
  return [...ofTemplate, ...Object.values(rest).flatMap(pathsIn)]
}

function ancestorsOf(path: string): string[] {
  const names = path.split('/')
  return names.slice(2).map((_, index) => names.slice(0, index + 2).join('/'))
}
