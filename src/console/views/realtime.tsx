import { useEffect, useRef } from 'preact/hooks'
import type { Data } from '../../../generated/client/index.js'
import { useAnswer } from '../api/use-answer.ts'
import { useConsole } from '../context.ts'
import { formatCount, formatMoney } from '../format/money.ts'
import { toName } from '../format/name.ts'
import { formatClock } from '../format/time.ts'
import { Facts, Instant } from '../parts/facts.tsx'
import { Panel } from '../parts/panel.tsx'

/** An unchanged figure costs a 304 without a body. */
const POLL_MS = 5_000

type RealtimeRevenue = Data<'getRealtimeRevenueV1'>

export function Realtime() {
  const answer = useAnswer(
    'getRealtimeRevenueV1',
    {},
    (api, { signal, etag }) =>
      api.getRealtimeRevenueV1(etag === null ? {} : { headers: { 'if-none-match': etag } }, { signal }),
    { pollMs: POLL_MS },
  )
  useChangeAnnouncement(answer.data)
  const checked =
    answer.confirmedAt === null ? null : (
      <p class="fine checked">
        Asked every {POLL_MS / 1_000} s while you look; last answer {formatClock(answer.confirmedAt)}
      </p>
    )
  return (
    <Panel title="Revenue now" answer={answer} controls={checked} class="hero">
      {(data) => <RealtimeFigures data={data} />}
    </Panel>
  )
}

function RealtimeFigures({ data }: { data: RealtimeRevenue }) {
  const { time_zone: zone, sources, other_currencies: others } = data
  return (
    <>
      <p class="big">{formatMoney(data.revenue)}</p>
      <p class="under-big">
        net of refunds since <Instant at={data.since} zone={zone} />
      </p>
      <Facts
        of={{
          Captured: formatMoney(data.captured),
          Refunded: formatMoney(data.refunded),
          Orders: formatCount(data.orders),
          'As of': data.data_as_of === null ? 'no entry yet' : <Instant at={data.data_as_of} zone={zone} />,
          'Time zone': zone,
          Currency: data.revenue.currency,
          Signatures: data.verified ? 'all checked' : sources.length === 0 ? 'no entry yet' : 'not all checked',
          Sources:
            sources.length === 0
              ? null
              : sources.map(({ vendor, entries }) => `${toName(vendor)} ${formatCount(entries)}`).join(', '),
          'Other currencies':
            others.length === 0 ? null : `${others.map((money) => formatMoney(money)).join(', ')} (not converted)`,
        }}
      />
    </>
  )
}

/** Only a change is said; a figure read out every few seconds would drown everything else. */
function useChangeAnnouncement(data: RealtimeRevenue | null) {
  const { announce } = useConsole()
  const last = useRef<string | null>(null)
  useEffect(() => {
    if (data === null) return
    const text = formatMoney(data.revenue)
    if (last.current !== null && last.current !== text) announce(`Revenue is now ${text}`)
    last.current = text
  }, [announce, data])
}
