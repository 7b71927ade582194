import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'

/** A drawing and the table of the same figures: the reader sees one of them, and a screen reader always the table. */
export function Figure({
  name,
  drawing,
  table,
}: {
  name: string
  drawing: ComponentChildren
  table: (isHidden: boolean) => ComponentChildren
}) {
  const [isTable, setIsTable] = useState(false)
  return (
    <figure aria-label={name}>
      {!isTable && (
        <div class="drawing" aria-hidden="true">
          {drawing}
        </div>
      )}
      {table(!isTable)}
      <button type="button" class="link" aria-pressed={isTable} onClick={() => setIsTable(!isTable)}>
        Show as table
      </button>
    </figure>
  )
}
