import { useState } from 'preact/hooks'
import type { Data } from '../../../generated/client/index.js'
import { useAnswer } from '../api/use-answer.ts'
import { Bars } from '../chart/bars.tsx'
import { createScale } from '../chart/scale.ts'
import { formatCount, formatMoney, formatMoneyShort, formatShare } from '../format/money.ts'
import { toName } from '../format/name.ts'
import { Days, Facts, Instant } from '../parts/facts.tsx'
import { Figure } from '../parts/figure.tsx'
import { Mismatch } from '../parts/mismatch.tsx'
import { Panel } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'
import { firstWindow, type Window, WindowPicker } from '../parts/window-picker.tsx'

type ChannelAttribution = Data<'getChannelAttribution'>
type Model = ChannelAttribution['model']

/** A model that the contract adds is missed here by the compiler. */
const MODELS: Readonly<Record<Model, string>> = {
  first_touch: 'First touch',
  last_touch: 'Last touch',
  last_non_direct: 'Last non-direct touch',
  linear: 'Linear',
  position: 'Position-based',
  time_decay: 'Time decay',
  time_decay_bucketed: 'Time decay in steps',
  decay_step: 'Decay by touch',
  shapley: 'Shapley',
  shapley_ordered: 'Ordered Shapley',
  custom: 'Custom',
  markov: 'Markov',
}
const UNATTRIBUTED = '(unattributed)'

interface Question extends Window {
  model: Model
  currency?: string
}

export function Channels() {
  const [question, setQuestion] = useState<Question>(() => ({ model: 'last_touch', ...firstWindow() }))
  const answer = useAnswer('getChannelAttribution', question, (api, { signal }) =>
    api.getChannelAttribution({ query: question }, { signal }),
  )
  const controls = (
    <div class="controls">
      <label>
        <span>Model</span>
        <select
          value={question.model}
          onChange={(event) => setQuestion({ ...question, model: event.currentTarget.value as Model })}
        >
          {Object.entries(MODELS).map(([model, title]) => (
            <option key={model} value={model}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <WindowPicker value={question} onChange={(window) => setQuestion({ ...question, ...window })} />
    </div>
  )
  return (
    <Panel title="Channels" answer={answer} controls={controls}>
      {(data) => (
        <>
          {!answer.isLoading && (
            <Mismatch
              asked={question}
              given={data}
              servedBy={answer.servedBy}
              also={[
                { wish: question.model, given: data.model, text: MODELS[data.model].toLowerCase() },
                { wish: question.currency, given: data.currency, text: `in ${data.currency}` },
              ]}
            />
          )}
          <ChannelFigures data={data} />
          <OtherCurrencies data={data} onChoose={(currency) => setQuestion({ ...question, currency })} />
        </>
      )}
    </Panel>
  )
}

function ChannelFigures({ data }: { data: ChannelAttribution }) {
  const { channels, currency } = data
  const money = (amount_minor: number) => ({ amount_minor, currency })
  const scale = createScale(channels.map(({ revenue }) => revenue.amount_minor))
  const bars = channels.map(({ channel, revenue, share }) => ({
    key: channel,
    label: toName(channel),
    ...(share !== null && { detail: formatShare(share) }),
    value: revenue.amount_minor,
    text: formatMoney(revenue),
    tone: channel === UNATTRIBUTED ? ('quiet' as const) : ('plain' as const),
  }))
  return (
    <>
      <p class="total">
        <strong>{formatMoney(data.net_revenue)}</strong> net revenue of {formatCount(data.conversions)}{' '}
        {data.conversions === 1 ? 'order' : 'orders'}, divided by {MODELS[data.model].toLowerCase()}
      </p>
      {channels.length === 0 ? (
        <p class="empty">No order in this window has been attributed.</p>
      ) : (
        <Figure
          name="Revenue by channel"
          drawing={<Bars groups={[{ bars }]} scale={scale} tick={(value) => formatMoneyShort(money(value))} />}
          table={(isHidden) => (
            <Table
              caption={`Revenue by channel, ${MODELS[data.model]}`}
              isHidden={isHidden}
              rows={channels}
              columns={[
                { title: 'Channel', cell: ({ channel }) => toName(channel) },
                { title: 'Revenue', cell: ({ revenue }) => formatMoney(revenue), isFigure: true },
                { title: 'Share', cell: ({ share }) => (share === null ? 'none' : formatShare(share)), isFigure: true },
                { title: 'Orders', cell: ({ conversions }) => formatCount(conversions), isFigure: true },
              ]}
              total={['All channels', formatMoney(data.credited_revenue), '', formatCount(data.conversions)]}
            />
          )}
        />
      )}
      <Facts
        of={{
          Window: <Days from={data.start_date} to={data.end_date} />,
          'Time zone': data.time_zone,
          Currency: currency,
          Basis: toName(data.basis),
          'As of': data.as_of === null ? 'no run yet' : <Instant at={data.as_of} zone={data.time_zone} />,
          Coverage:
            data.coverage === null ? 'nothing to cover' : `${formatShare(data.coverage)} of the revenue has a channel`,
          Model: `${MODELS[data.model]} ${data.model_version}`,
          'Refunded beyond capture': data.over_refunded.amount_minor === 0 ? null : formatMoney(data.over_refunded),
        }}
      />
    </>
  )
}

function OtherCurrencies({ data, onChoose }: { data: ChannelAttribution; onChoose: (currency: string) => void }) {
  if (data.other_currencies.length === 0) return null
  return (
    <p class="fine apart">
      Apart from these, not converted:{' '}
      {data.other_currencies.map(({ net_revenue, conversions }, index) => (
        <span key={net_revenue.currency}>
          {index > 0 && ', '}
          {formatMoney(net_revenue)} of {formatCount(conversions)} {conversions === 1 ? 'order' : 'orders'} (
          <button type="button" class="link" onClick={() => onChoose(net_revenue.currency)}>
            show {net_revenue.currency}
          </button>
          )
        </span>
      ))}
    </p>
  )
}
