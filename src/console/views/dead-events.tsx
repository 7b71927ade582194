import { useState } from 'preact/hooks'
import type { Arguments, Data } from '../../../generated/client/index.js'
import { useAnswer } from '../api/use-answer.ts'
import { formatCount } from '../format/money.ts'
import { toName } from '../format/name.ts'
import { Instant } from '../parts/facts.tsx'
import { Panel } from '../parts/panel.tsx'
import { Select } from '../parts/select.tsx'
import { useMore } from '../parts/use-more.tsx'
import { type ReplayFilter, ReplayPreview } from './replay-preview.tsx'

type DeadEvent = Data<'listDeadEvents'>['items'][number]
type Query = Pick<Arguments<'listDeadEvents'>['query'] & object, 'status' | 'vendor' | 'class'>

const STATUSES: Readonly<Record<DeadEvent['status'], string>> = {
  pending: 'Waiting',
  in_progress: 'In a replay',
  resolved: 'Resolved',
  abandoned: 'Given up',
}
const VENDORS: Readonly<Record<DeadEvent['vendor'], string>> = {
  shopify: 'Shopify',
  stripe: 'Stripe',
  paypal: 'PayPal',
  woocommerce: 'WooCommerce',
}
const CLASSES: Readonly<Record<DeadEvent['class'], string>> = {
  malformed: 'Not readable',
  schema: 'A field is missing or wrong',
  poison: 'Stops its reader',
  unsupported: 'Cannot be used',
  conflict: 'At odds with what is known',
}
const LIMIT = 20

export function DeadEvents() {
  const [query, setQuery] = useState<Query>({ status: 'pending' })
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const answer = useAnswer('listDeadEvents', query, (api, { signal }) =>
    api.listDeadEvents({ query: { ...query, limit: LIMIT } }, { signal }),
  )
  const change = (part: Query) => {
    setChosen(new Set())
    setQuery({ ...query, ...part })
  }
  const toggle = (id: string) => {
    const next = new Set(chosen)
    if (!next.delete(id)) next.add(id)
    setChosen(next)
  }
  const controls = (
    <div class="controls">
      <Select
        label="State"
        value={query.status}
        options={STATUSES}
        all="All"
        onChange={(status) => change({ status })}
      />
      <Select
        label="Vendor"
        value={query.vendor}
        options={VENDORS}
        all="All"
        onChange={(vendor) => change({ vendor })}
      />
      <Select
        label="Fault"
        value={query.class}
        options={CLASSES}
        all="All"
        onChange={(name) => change({ class: name })}
      />
    </div>
  )
  return (
    <>
      <h1 class="visually-hidden">Dead letters</h1>
      <Panel title="Dead letters" answer={answer} controls={controls}>
        {(data) => (
          // A new answer begins the list anew.
          <List
            key={JSON.stringify(query) + answer.confirmedAt}
            first={data}
            query={query}
            chosen={chosen}
            onToggle={toggle}
          />
        )}
      </Panel>
      {answer.fault?.kind !== 'missing' && <ReplayPreview filter={toFilter(chosen, query)} />}
    </>
  )
}

/** What the choice in the list means for a replay; null: nothing is chosen, and all at once is never meant. */
function toFilter(chosen: ReadonlySet<string>, { vendor, class: name }: Query): ReplayFilter | null {
  if (chosen.size > 0) return { dead_event_ids: [...chosen] }
  if (vendor === undefined && name === undefined) return null
  return { ...(vendor !== undefined && { vendor }), ...(name !== undefined && { class: name }) }
}

function List({
  first,
  query,
  chosen,
  onToggle,
}: {
  first: Data<'listDeadEvents'>
  query: Query
  chosen: ReadonlySet<string>
  onToggle: (id: string) => void
}) {
  const { items, more } = useMore<DeadEvent>('listDeadEvents', first, (api, cursor) =>
    api.listDeadEvents({ query: { ...query, limit: LIMIT, cursor } }),
  )
  if (items.length === 0)
    return (
      <p class="empty">
        {query.status === 'pending' ? 'Nothing waits: every delivery that fits could be used.' : 'None fits.'}
      </p>
    )
  return (
    <>
      <p class="total">
        {formatCount(items.length)} shown, the newest first. Choose some to see what a replay would change.
      </p>
      <ul class="rows">
        {items.map((event) => (
          <li key={event.dead_event_id}>
            <DeadEventRow
              event={event}
              isChosen={chosen.has(event.dead_event_id)}
              onToggle={() => onToggle(event.dead_event_id)}
            />
          </li>
        ))}
      </ul>
      {more}
    </>
  )
}

function DeadEventRow({ event, isChosen, onToggle }: { event: DeadEvent; isChosen: boolean; onToggle: () => void }) {
  const title = `${VENDORS[event.vendor]} ${event.topic ?? '(topic unreadable)'}`
  return (
    <>
      <label class="row-title">
        <input type="checkbox" checked={isChosen} disabled={event.status !== 'pending'} onChange={onToggle} />
        <strong>{title}</strong>
        <span class={`verdict ${event.status === 'pending' ? 'bad' : 'open'}`}>{STATUSES[event.status]}</span>
      </label>
      <p>{event.detail}</p>
      <p class="fine">
        {CLASSES[event.class]} (<code>{event.code}</code>), <Instant at={event.first_seen_at} />
        {event.seen > 1 && (
          <>
            , came {formatCount(event.seen)} times, last <Instant at={event.last_seen_at} />
          </>
        )}
        {event.replays > 0 && `, replayed ${formatCount(event.replays)} times`}
        {event.external_id !== null && (
          <>
            , {toName(event.vendor)} calls it <code>{event.external_id}</code>
          </>
        )}
        , correlation id <code>{event.correlation_id}</code>
      </p>
    </>
  )
}
