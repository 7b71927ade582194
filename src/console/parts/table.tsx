import type { ComponentChildren } from 'preact'

export interface Column<Row> {
  title: string
  cell: (row: Row) => ComponentChildren
  /** Figures stand at the right; the first column heads its row. */
  isFigure?: boolean
}

/** A table that scrolls within itself where it is wider than the page. */
export function Table<Row>({
  caption,
  columns,
  rows,
  total,
  isHidden = false,
}: {
  caption: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  /** Cells of a last row, the first its heading. */
  total?: readonly ComponentChildren[]
  /** Only for those who do not see the drawing of the same figures. */
  isHidden?: boolean
}) {
  const classOf = (index: number) => (columns[index]?.isFigure === true ? 'figure' : undefined)
  const table = (
    <table>
      <caption class="visually-hidden">{caption}</caption>
      <thead>
        <tr>
          {columns.map(({ title }, index) => (
            <th key={title} scope="col" class={classOf(index)}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, rowIndex) => (
          <tr key={rowIndex}>
            {columns.map(({ title, cell }, index) =>
              index === 0 ? (
                <th key={title} scope="row">
                  {cell(row)}
                </th>
              ) : (
                <td key={title} class={classOf(index)}>
                  {cell(row)}
                </td>
              ),
            )}
          </tr>
        ))}
      </tbody>
      {total !== undefined && (
        <tfoot>
          <tr>
            {total.map((cell, index) =>
              index === 0 ? (
                <th key={columns[index]?.title} scope="row">
                  {cell}
                </th>
              ) : (
                <td key={columns[index]?.title} class={classOf(index)}>
                  {cell}
                </td>
              ),
            )}
          </tr>
        </tfoot>
      )}
    </table>
  )
  if (isHidden) return <div class="visually-hidden">{table}</div>
  return (
    // biome-ignore lint/a11y/useSemanticElements: a region that scrolls needs a name and the keyboard, not a heading.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without it the keyboard could not scroll the region.
    <div class="scroll" role="region" aria-label={caption} tabIndex={0}>
      {table}
    </div>
  )
}
