/**
 * The columns of a file, by the names in its header row. Names are looked up in a Map and never become members of an
 * object, so that `__proto__` is a name like any other: one that is not known.
 */
export interface Columns {
  /** How many cells a row must have. */
  count: number
  /** The cell of a column without the spaces around it; null where it is empty or the file has no such column. */
  read: (cells: readonly string[], name: string) => string | null
}

/** Thrown for a header row that cannot be used; the message is for whoever made the file and quotes nothing of it. */
export class HeaderError extends Error {
  override name = 'HeaderError'
}

/** Names in any order and any case. Throws HeaderError for one that is missing, unknown or there twice. */
export function readHeader(
  cells: readonly string[],
  { required, optional }: { required: readonly string[]; optional: readonly string[] },
): Columns {
  const known = new Set([...required, ...optional])
  const places = new Map<string, number>()
  for (const [index, cell] of cells.entries()) {
    const name = cell.trim().toLowerCase()
    if (!known.has(name))
      throw new HeaderError(`Column ${index + 1} of the header row is none of ${[...known].join(', ')}.`)
    if (places.has(name)) throw new HeaderError(`The header row has the column ${name} twice.`)
    places.set(name, index)
  }
  const missing = required.filter((name) => !places.has(name))
  if (missing.length > 0) throw new HeaderError(`The header row lacks ${missing.join(', ')}.`)
  return {
    count: cells.length,
    read: (row, name) => {
      const place = places.get(name)
      const text = place === undefined ? '' : (row[place] ?? '').trim()
      return text === '' ? null : text
    },
  }
}
