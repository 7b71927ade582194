import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { Api, UsedOperation } from '../api/api.ts'
import type { AnyResult, Fault } from '../api/outcome.ts'
import { useConsole } from '../context.ts'
import { FaultNote } from './fault-note.tsx'

interface Page<Item> {
  items: readonly Item[]
  next_cursor: string | null
}

/** A list that grows by a page at each press of a button, which is `more`; nothing where the list ends. */
export function useMore<Item>(
  operationId: UsedOperation,
  first: Page<Item>,
  ask: (api: Api, cursor: string) => Promise<AnyResult & { data: Page<Item> | undefined }>,
): { items: readonly Item[]; more: ComponentChildren } {
  const console = useConsole()
  const [{ items, next_cursor: cursor }, setPage] = useState(first)
  const [fault, setFault] = useState<Fault | null>(null)
  const [isLoading, setIsLoading] = useState(false)
  if (cursor === null) return { items, more: null }

  const load = async () => {
    if (isLoading) return
    setIsLoading(true)
    setFault(null)
    const outcome = await console.ask(ask(console.api, cursor))
    setIsLoading(false)
    if (outcome.kind === 'data') {
      const page = outcome.data as Page<Item>
      // A mock gives the same page again and again.
      const isSame = page.next_cursor === cursor
      setPage({ items: isSame ? items : [...items, ...page.items], next_cursor: isSame ? null : page.next_cursor })
      console.announce(isSame ? 'No more' : `${page.items.length} more`)
    } else if (outcome.kind !== 'unchanged' && outcome.kind !== 'aborted') setFault(outcome)
  }
  const more = (
    <>
      {fault !== null && <FaultNote fault={fault} operationId={operationId} />}
      <p>
        <button type="button" class="quiet" aria-disabled={isLoading} onClick={() => void load()}>
          {isLoading ? 'Loading…' : 'Show more'}
        </button>
      </p>
    </>
  )
  return { items, more }
}
