import type { Column, Relation } from '../model.ts'

/** A row as PostgreSQL prints it: each column in text form, or null. */
export type Row = Record<string, string | null>

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** `public.touchpoints` as SQL. */
export function quoteRelation(name: string): string {
  const dot = name.indexOf('.')
  return `${quoteName(name.slice(0, dot))}.${quoteName(name.slice(dot + 1))}`
}

/** A text as an SQL literal, whatever standard_conforming_strings says. */
export function quoteText(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return text.includes('\\') ? ` E${quoted}` : quoted
}

/** A value of a column as SQL: a literal with its type. */
export function toLiteral({ type }: Pick<Column, 'type'>, value: string | null | undefined): string {
  return value === null || value === undefined ? `null::${type}` : `${quoteText(value)}::${type}`
}

export function columnOf(relation: Relation, name: string): Column {
  const column = relation.columns.find((known) => known.name === name)
  if (column === undefined) throw new Error(`${relation.name} has no column ${name}`)
  return column
}

/** One line of COPY's text format. */
export function toCopyLine(row: Row, columns: readonly string[]): string {
  const escapes: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }
  const cells = columns.map(
    (name) => row[name]?.replace(/[\\\t\n\r]/g, (character) => escapes[character] ?? '') ?? '\\N',
  )
  return `${cells.join('\t')}\n`
}
