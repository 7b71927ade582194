import { ulid } from './given.ts'

/** Stands in every planted text, so that one search finds them all. */
export const CANARY = 'canary'

/** A place in a document: the names of the members that lead there, `*` for an item of an array. */
export type Path = string

/**
 * The document with a canary that looks like an e-mail address in each text, and one more member in each object;
 * `kept` are the texts that the platform reads and may keep, and our own token becomes one of `visitorId`.
 * Throws when fewer than ten were planted.
 */
export function plantCanaries<T extends object>(document: T, kept: readonly Path[], visitorId: string): T {
  let count = 0
  const visit = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string') {
      if (value.startsWith('av1.')) return `av1.${visitorId}.${ulid()}`
      if (kept.includes(path)) return value
      count += 1
      return `${CANARY}-${count}@example.com`
    }
    if (Array.isArray(value)) return value.map((item) => visit(item, `${path}/*`))
    if (typeof value !== 'object' || value === null) return value
    const members = Object.entries(value).map(([name, member]) => [name, visit(member, `${path}/${name}`)])
    return { ...Object.fromEntries(members), [`${CANARY}_name`]: `${CANARY} text` }
  }
  const planted = visit(document, '') as T
  if (count < 10) throw new Error(`only ${count} canaries`)
  return planted
}
