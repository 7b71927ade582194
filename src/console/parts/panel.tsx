import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import type { Answer } from '../api/use-answer.ts'
import { useConsole } from '../context.ts'
import { formatClock } from '../format/time.ts'
import { FaultNote, titleOf } from './fault-note.tsx'
import { Badge } from './server-line.tsx'

/**
 * One operation's place on the page: what it answered, that it is being asked, or why there is nothing. Figures of a
 * former answer stay, and say so, while the question is the same.
 */
export function Panel<T>({
  title,
  answer,
  controls,
  class: extra = '',
  level = 2,
  children,
}: {
  title: string
  answer: Answer<T>
  controls?: ComponentChildren
  class?: string
  level?: 2 | 3
  children: (data: T) => ComponentChildren
}) {
  const id = useId()
  const { data, fault, isLoading, servedBy } = answer
  useAnnouncement(title, answer)
  const Heading = `h${level}` as 'h2' | 'h3'
  return (
    <section class={`card ${extra}`} aria-labelledby={id} aria-busy={isLoading}>
      <div class="card-head">
        <Heading id={id}>
          {title} <Badge by={data === null && fault !== null && 'servedBy' in fault ? fault.servedBy : servedBy} />
        </Heading>
        {controls}
      </div>
      {fault !== null && <FaultNote fault={fault} operationId={answer.operationId} onRetry={answer.reload} />}
      {fault !== null && data !== null && answer.confirmedAt !== null && (
        <p class="stale">Below is the answer of {formatClock(answer.confirmedAt)}.</p>
      )}
      {data === null && fault === null && <p class="loading">Loading…</p>}
      {data !== null && children(data)}
    </section>
  )
}

/** Says a fault once, and that it is over. */
function useAnnouncement<T>(title: string, { fault, isLoading, data }: Answer<T>) {
  const { announce } = useConsole()
  const last = useRef<string | null>(null)
  useEffect(() => {
    if (isLoading) return
    const text = fault === null ? null : `${title}: ${titleOf(fault)}`
    if (text !== null && text !== last.current) announce(text)
    if (text === null && last.current !== null && data !== null) announce(`${title}: answered again`)
    last.current = text
  }, [announce, title, fault, isLoading, data])
}
