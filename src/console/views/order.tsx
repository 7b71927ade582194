import { useState } from 'preact/hooks'
import type { Data } from '../../../generated/client/index.js'
import { useAnswer } from '../api/use-answer.ts'
import { formatMoney } from '../format/money.ts'
import { toName } from '../format/name.ts'
import { Facts, Instant } from '../parts/facts.tsx'
import { Panel } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'

type OrderCredits = Data<'getOrderCredits'>
type Credit = OrderCredits['models'][number]['credits'][number]

export function Order() {
  const [orderId, setOrderId] = useState<string | null>(null)
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const value = new FormData(event.currentTarget as HTMLFormElement).get('order')
    if (typeof value === 'string') setOrderId(value.trim())
  }
  return (
    <section class="card" aria-labelledby="order">
      <div class="card-head">
        <h2 id="order">One order</h2>
        <form class="controls" onSubmit={submit}>
          <label class="wide">
            <span>Order id</span>
            <input
              name="order"
              placeholder="shopify:5678901234567"
              autocapitalize="none"
              autocomplete="off"
              spellcheck={false}
              maxLength={140}
              required
            />
          </label>
          <button type="submit" class="quiet">
            Show its credits
          </button>
        </form>
      </div>
      {orderId === null ? (
        <p class="empty">The vendor and its own id of the order show how each model divides it.</p>
      ) : (
        <OrderPanel key={orderId} orderId={orderId} />
      )}
    </section>
  )
}

function OrderPanel({ orderId }: { orderId: string }) {
  const answer = useAnswer('getOrderCredits', orderId, (api, { signal }) =>
    api.getOrderCredits({ params: { order_id: orderId } }, { signal }),
  )
  return (
    <Panel title={answer.data?.order_id ?? orderId} answer={answer} level={3} class="inner">
      {(data) => (
        <>
          {data.order_id !== orderId && <p class="note">The answer is about another order than the one asked for.</p>}
          <OrderFigures data={data} />
        </>
      )}
    </Panel>
  )
}

function OrderFigures({ data }: { data: OrderCredits }) {
  const touches = listTouches(data)
  return (
    <>
      <Facts
        of={{
          'Net revenue': formatMoney(data.net_revenue),
          Captured: formatMoney(data.captured),
          Refunded: formatMoney(data.refunded),
          'Refunded beyond capture': data.over_refunded.amount_minor === 0 ? null : formatMoney(data.over_refunded),
          Ordered: <Instant at={data.ordered_at} />,
          Currency: data.currency,
          'Joined by': data.identity_tier === 'none' ? 'nothing: it carries no visitor' : toName(data.identity_tier),
        }}
      />
      {data.models.length === 0 ? (
        <p class="empty">No model has been run over this order yet.</p>
      ) : (
        <Table
          caption={`Credits of ${data.order_id} by touchpoint and model`}
          rows={touches}
          columns={[
            {
              title: 'Touchpoint',
              cell: ({ position, channel, touched_at }) => (
                <>
                  {position !== null && <span class="position">{position}</span>} {toName(channel)}
                  {touched_at !== null && (
                    <small>
                      <Instant at={touched_at} />
                    </small>
                  )}
                </>
              ),
            },
            ...data.models.map(({ model, credits }) => ({
              title: toName(model),
              isFigure: true,
              cell: (touch: Credit) => {
                const credit = credits.find((one) => keyOf(one) === keyOf(touch))
                return credit === undefined ? <span class="quiet-text">none</span> : formatMoney(credit.revenue)
              },
            })),
          ]}
          total={['Sum', ...data.models.map(({ credits }) => formatMoney(sum(credits, data.currency)))]}
        />
      )}
    </>
  )
}

/** Every touchpoint that some model credits, once, the earliest first. */
function listTouches({ models }: OrderCredits): Credit[] {
  const touches = new Map(models.flatMap(({ credits }) => credits.map((credit) => [keyOf(credit), credit])))
  const last = Number.MAX_SAFE_INTEGER
  return [...touches.values()].sort((a, b) => (a.position ?? last) - (b.position ?? last))
}

function keyOf({ position, channel }: Credit): string {
  return `${position} ${channel}`
}

function sum(credits: readonly Credit[], currency: string) {
  return { amount_minor: credits.reduce((total, { revenue }) => total + revenue.amount_minor, 0), currency }
}
