import { useState } from 'preact/hooks'
import type { Arguments, Data } from '../../../generated/client/index.js'
import { useAnswer } from '../api/use-answer.ts'
import { formatCount, formatMoneyChange } from '../format/money.ts'
import { Facts } from '../parts/facts.tsx'
import { Panel } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'

export type ReplayFilter = Arguments<'replayDeadEvents'>['body']['filter']
type ReplayResult = Data<'replayDeadEvents'>

/** What a replay would do to revenue. It only ever asks for a dry run. */
export function ReplayPreview({ filter }: { filter: ReplayFilter | null }) {
  const [asked, setAsked] = useState<{ filter: ReplayFilter; round: number } | null>(null)
  return (
    <section class="card" aria-labelledby="replay">
      <div class="card-head">
        <h2 id="replay">What a replay would change</h2>
        <button
          type="button"
          aria-disabled={filter === null}
          aria-describedby="replay-of"
          onClick={() => filter !== null && setAsked({ filter, round: (asked?.round ?? 0) + 1 })}
        >
          Preview the replay
        </button>
      </div>
      <p id="replay-of" class="total">
        {describe(filter)}
      </p>
      {asked !== null && <Preview key={asked.round} filter={asked.filter} />}
    </section>
  )
}

function describe(filter: ReplayFilter | null): string {
  if (filter === null) return 'Choose dead letters above, or a vendor or fault, to preview their replay.'
  const chosen = filter.dead_event_ids?.length
  if (chosen === undefined) return 'All waiting dead letters of the chosen vendor and fault. A preview changes nothing.'
  const what = chosen === 1 ? 'The chosen dead letter' : `The ${formatCount(chosen)} chosen dead letters`
  return `${what}. A preview changes nothing.`
}

function Preview({ filter }: { filter: ReplayFilter }) {
  const answer = useAnswer('replayDeadEvents', filter, (api, { signal }) =>
    api.replayDeadEvents({ body: { filter, dry_run: true } }, { signal }),
  )
  return (
    <Panel title="Preview" answer={answer} level={3} class="inner">
      {(data) => (
        <>
          {data.matched > (filter.dead_event_ids?.length ?? data.matched) && (
            <p class="note">This is not the answer to what was asked: it is about {formatCount(data.matched)}.</p>
          )}
          <PreviewFigures data={data} />
        </>
      )}
    </Panel>
  )
}

function PreviewFigures({ data }: { data: ReplayResult }) {
  // The contract lets one operation answer both; taking a run for a preview would be the worst mistake of this page.
  if (!data.dry_run) return <p class="note bad">The server answered with a run instead of a preview.</p>
  const changes = data.revenue_changes ?? []
  return (
    <>
      <Facts
        of={{
          'Would be read again': formatCount(data.matched),
          'Would become events': data.recovered === null ? null : formatCount(data.recovered),
          'Are events already': data.duplicates === null ? null : formatCount(data.duplicates),
          'Would stay dead': data.still_dead === null ? null : formatCount(data.still_dead),
        }}
      />
      {changes.length === 0 ? (
        <p class="empty">No amount would change.</p>
      ) : (
        <Table
          caption="Change of revenue by currency"
          rows={changes}
          columns={[
            { title: 'Currency', cell: ({ currency }) => currency },
            { title: 'Captured', cell: ({ captured }) => formatMoneyChange(captured), isFigure: true },
            { title: 'Refunded', cell: ({ refunded }) => formatMoneyChange(refunded), isFigure: true },
            { title: 'Disputed', cell: ({ disputed }) => formatMoneyChange(disputed), isFigure: true },
            {
              title: 'Net revenue',
              cell: ({ net_revenue }) => <strong>{formatMoneyChange(net_revenue)}</strong>,
              isFigure: true,
            },
          ]}
        />
      )}
    </>
  )
}
