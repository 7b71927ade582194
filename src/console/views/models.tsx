import { useState } from 'preact/hooks'
import type { Data } from '../../../generated/client/index.js'
import { useAnswer } from '../api/use-answer.ts'
import { Bars } from '../chart/bars.tsx'
import { createScale } from '../chart/scale.ts'
import { formatCount, formatMoney, formatMoneyChange, formatShare } from '../format/money.ts'
import { toName } from '../format/name.ts'
import { Days, Facts, Instant } from '../parts/facts.tsx'
import { Figure } from '../parts/figure.tsx'
import { Mismatch } from '../parts/mismatch.tsx'
import { Panel } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'
import { firstWindow, type Window, WindowPicker } from '../parts/window-picker.tsx'

type Comparison = Data<'compareAttributionModels'>
type Compared = Comparison['channels'][number]
type ComparedFigure = Compared['figures'][number]

/** How much the models differ, and how far chance could have moved each share. */
export function Models() {
  const [window, setWindow] = useState<Window>(firstWindow)
  const answer = useAnswer('compareAttributionModels', window, (api, { signal }) =>
    api.compareAttributionModels({ query: window }, { signal }),
  )
  return (
    <Panel
      title="Models side by side"
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
          <ComparisonFigures data={data} />
        </>
      )}
    </Panel>
  )
}

function ComparisonFigures({ data }: { data: Comparison }) {
  const rows = data.channels.flatMap((compared) =>
    compared.figures.map((figure) => ({ compared, channel: compared.channel, figure })),
  )
  if (rows.length === 0) return <p class="empty">No model has a run for this window.</p>
  return (
    <>
      <p class="total">
        Share of the orders with a touchpoint by channel and model, of {formatCount(data.conversions)} orders in all.
        The thin line is where the share lies in 95 of 100 cases; it says nothing about cause.
      </p>
      <Figure
        name="Share of orders by channel and model"
        drawing={<ComparisonBars data={data} />}
        table={(isHidden) => (
          <Table
            caption={`Share of orders by channel and model, ${data.start_date} to ${data.end_date}`}
            isHidden={isHidden}
            rows={rows}
            columns={[
              { title: 'Channel', cell: ({ channel }) => toName(channel) },
              { title: 'Model', cell: ({ figure }) => toName(figure.model) },
              { title: 'Orders', cell: ({ figure }) => formatCount(figure.conversions), isFigure: true },
              {
                title: 'Share',
                cell: ({ compared, figure }) => (isTouched(compared) ? formatShare(shareOf(figure, data)) : 'none'),
                isFigure: true,
              },
              { title: '95 % interval', cell: ({ figure }) => describeInterval(figure), isFigure: true },
              { title: 'Revenue', cell: ({ figure }) => formatMoney(figure.revenue), isFigure: true },
              {
                title: `Against ${toName(data.baseline).toLowerCase()}`,
                cell: ({ figure }) => (figure.difference === null ? 'no run' : formatMoneyChange(figure.difference)),
                isFigure: true,
              },
            ]}
          />
        )}
      />
      <Facts
        of={{
          Window: <Days from={data.start_date} to={data.end_date} />,
          'Time zone': data.time_zone,
          Currency: data.currency,
          Basis: toName(data.basis),
          'As of': data.as_of === null ? 'no run yet' : <Instant at={data.as_of} zone={data.time_zone} />,
          'Net revenue': formatMoney(data.net_revenue),
          Coverage: data.coverage === null ? 'nothing to cover' : formatShare(data.coverage),
        }}
      />
    </>
  )
}

function ComparisonBars({ data }: { data: Comparison }) {
  const channels = data.channels.filter(isTouched)
  const values = channels.flatMap(({ figures }) =>
    figures.flatMap((figure) => [shareOf(figure, data), figure.confidence?.interval?.high ?? 0]),
  )
  // One scale for all channels, or their bars could not be compared.
  const scale = createScale(values, { unit: 0.01, limit: 1 })
  return (
    <Bars
      scale={scale}
      tick={(value) => formatShare(value)}
      groups={channels.map(({ channel, figures }) => ({
        name: toName(channel),
        bars: figures.map((figure) => ({
          key: figure.model,
          label: toName(figure.model),
          ...(figure.confidence !== null && { detail: `grade ${figure.confidence.grade}` }),
          value: shareOf(figure, data),
          text: formatShare(shareOf(figure, data)),
          interval: figure.confidence?.interval ?? null,
          tone: figure.model === data.baseline ? ('plain' as const) : ('second' as const),
        })),
      }))}
    />
  )
}

/** Of the orders that have a touchpoint, since that is what the interval is about; the contract's `share` is of the revenue. */
function shareOf({ model, conversions }: ComparedFigure, data: Comparison): number {
  const touched = data.channels
    .filter(isTouched)
    .flatMap(({ figures }) => figures)
    .filter((figure) => figure.model === model)
    .reduce((sum, figure) => sum + figure.conversions, 0)
  return touched === 0 ? 0 : conversions / touched
}

function isTouched({ channel }: Compared): boolean {
  return channel !== '(unattributed)'
}

function describeInterval({ confidence }: ComparedFigure): string {
  if (confidence === null) return 'not calculated'
  const { interval, sample_size, grade } = confidence
  if (interval === null) return `none: ${formatCount(sample_size)} visitors are too few`
  return `${formatShare(interval.low)} to ${formatShare(interval.high)} (grade ${grade})`
}
