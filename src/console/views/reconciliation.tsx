import { useState } from 'preact/hooks'
import type { Data } from '../../../generated/client/index.js'
import { useAnswer } from '../api/use-answer.ts'
import { Bars } from '../chart/bars.tsx'
import { createScale } from '../chart/scale.ts'
import { formatCount, formatMoney, formatMoneyChange, formatMoneyShort, formatShare } from '../format/money.ts'
import { toName } from '../format/name.ts'
import { Days, Facts, Instant } from '../parts/facts.tsx'
import { Figure } from '../parts/figure.tsx'
import { Mismatch } from '../parts/mismatch.tsx'
import { Panel } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'
import { firstWindow, type Window, WindowPicker } from '../parts/window-picker.tsx'

type ReconciliationStatus = Data<'getReconciliationStatus'>
type Platform = ReconciliationStatus['platforms'][number]

export function Reconciliation() {
  const [window, setWindow] = useState<Window>(firstWindow)
  const answer = useAnswer('getReconciliationStatus', window, (api, { signal }) =>
    api.getReconciliationStatus({ query: window }, { signal }),
  )
  return (
    <>
      <h1 class="visually-hidden">Reconciliation</h1>
      <Panel
        title="What platforms claim"
        answer={answer}
        controls={
          <div class="controls">
            <WindowPicker value={window} onChange={setWindow} />
          </div>
        }
      >
        {(data) => (
          <>
            {!answer.isLoading && <Mismatch asked={window} given={data} servedBy={answer.servedBy} />}
            <ReconciliationFigures data={data} />
          </>
        )}
      </Panel>
    </>
  )
}

function ReconciliationFigures({ data }: { data: ReconciliationStatus }) {
  return (
    <>
      <p class="total">
        <Verdict status={data.overall_status} /> Ad platforms claim <strong>{formatMoney(data.claimed_total)}</strong>;{' '}
        <strong>{formatMoney(data.verified_total)}</strong> of {formatCount(data.verified_orders)} orders are verified.
      </p>
      {data.platforms.length === 0 ? <p class="empty">No platform is connected.</p> : <PlatformFigure data={data} />}
      <Facts
        of={{
          Window: <Days from={data.start_date} to={data.end_date} />,
          'Time zone': data.time_zone,
          Currency: data.currency,
          Basis: toName(data.basis),
          'As of': data.as_of === null ? 'nothing fetched yet' : <Instant at={data.as_of} zone={data.time_zone} />,
          'Claimed ÷ verified': data.duplication === null ? null : formatCount(data.duplication),
          'Orders with two ad platforms': data.order_overlap === null ? null : formatShare(data.order_overlap),
        }}
      />
      {data.platforms.map((platform) => (
        <PlatformDetails key={platform.platform_id} platform={platform} zone={data.time_zone} />
      ))}
    </>
  )
}

/** What each platform claims above what is verified, all on one scale. */
function PlatformFigure({ data: { platforms, currency } }: { data: ReconciliationStatus }) {
  const scale = createScale(platforms.flatMap(({ claimed, verified }) => [claimed.amount_minor, verified.amount_minor]))
  const groups = platforms.map(({ platform_id, claimed, claimed_orders, verified, verified_orders }) => ({
    name: toName(platform_id),
    bars: [
      {
        key: 'claimed',
        label: 'Claimed',
        detail: `${formatCount(claimed_orders)} orders`,
        value: claimed.amount_minor,
        text: formatMoney(claimed),
        tone: 'second' as const,
      },
      {
        key: 'verified',
        label: 'Verified',
        detail: `${formatCount(verified_orders)} orders`,
        value: verified.amount_minor,
        text: formatMoney(verified),
      },
    ],
  }))
  return (
    <Figure
      name="Claimed and verified by platform"
      drawing={
        <Bars groups={groups} scale={scale} tick={(value) => formatMoneyShort({ amount_minor: value, currency })} />
      }
      table={(isHidden) => (
        <Table
          caption="Claimed and verified by platform"
          isHidden={isHidden}
          rows={platforms}
          columns={[
            { title: 'Platform', cell: ({ platform_id }) => toName(platform_id) },
            { title: 'Claimed', cell: ({ claimed }) => formatMoney(claimed), isFigure: true },
            { title: 'Orders claimed', cell: ({ claimed_orders }) => formatCount(claimed_orders), isFigure: true },
            { title: 'Verified', cell: ({ verified }) => formatMoney(verified), isFigure: true },
            { title: 'Orders verified', cell: ({ verified_orders }) => formatCount(verified_orders), isFigure: true },
            { title: 'Difference', cell: ({ difference }) => formatMoneyChange(difference), isFigure: true },
          ]}
        />
      )}
    />
  )
}

function PlatformDetails({ platform, zone }: { platform: Platform; zone: string }) {
  const { difference, reasons } = platform
  const name = toName(platform.platform_id)
  return (
    <article class="platform">
      <h3>
        {name} <Verdict status={platform.status} />
      </h3>
      <Facts
        of={{
          Difference: formatMoneyChange(difference),
          'Claimed ÷ verified': platform.claim_ratio === null ? null : formatCount(platform.claim_ratio),
          'Claims that are in': platform.lag_completeness === null ? null : formatShare(platform.lag_completeness),
          'Last sync': platform.last_sync === null ? 'never' : <Instant at={platform.last_sync} zone={zone} />,
          'Last error': platform.last_error === null ? null : toName(platform.last_error),
        }}
      />
      {reasons.length > 0 && (
        <details>
          <summary>Why they differ</summary>
          <Table
            caption={`${name}: reasons of the difference`}
            rows={reasons}
            columns={[
              { title: 'Reason', cell: ({ reason }) => toName(reason) },
              { title: 'Amount', cell: ({ amount }) => formatMoneyChange(amount), isFigure: true },
              { title: 'Orders or claims', cell: ({ items }) => formatCount(items), isFigure: true },
            ]}
            total={['Difference', formatMoneyChange(difference), '']}
          />
        </details>
      )}
    </article>
  )
}

const GOOD = ['matched', 'minor']
const OPEN = ['pending', 'insufficient', 'no_data', 'inconclusive']

function Verdict({ status }: { status: Platform['status'] }) {
  const tone = GOOD.includes(status) ? 'good' : OPEN.includes(status) ? 'open' : 'bad'
  return <span class={`verdict ${tone}`}>{toName(status)}</span>
}
