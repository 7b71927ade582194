import type { Data } from '../../../generated/client/index.js'
import { useAnswer } from '../api/use-answer.ts'
import { formatCount, formatMicroUsd } from '../format/money.ts'
import { toName } from '../format/name.ts'
import { Facts, Instant } from '../parts/facts.tsx'
import { Meter } from '../parts/meter.tsx'
import { Panel } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'

type LlmUsage = Data<'getLlmUsage'>
type Allowance = LlmUsage['tenant']

export function LlmBudget() {
  const answer = useAnswer('getLlmUsage', {}, (api, { signal }) => api.getLlmUsage({}, { signal }))
  return (
    <>
      <h1 class="visually-hidden">LLM budget</h1>
      <Panel title="What language models may cost" answer={answer}>
        {(data) => <LlmFigures data={data} />}
      </Panel>
    </>
  )
}

function LlmFigures({ data }: { data: LlmUsage }) {
  const { policy } = data
  return (
    <>
      <div class="meters">
        <AllowanceMeter name={`Tenant, ${data.month}`} allowance={data.tenant} />
        <AllowanceMeter name={`You, ${data.month}`} allowance={data.caller} />
        <AllowanceMeter name="Tenant, this hour" allowance={data.hour} />
      </div>
      <Facts
        of={{
          Providers: policy.enabled ? 'may be called' : 'off: only the built-in narrator writes',
          'Best tier': toName(policy.max_tier),
          'Over budget':
            policy.over_budget === 'refuse' ? 'refuses' : 'takes a cheaper model, or the built-in narrator',
          'One request': `up to ${formatMicroUsd(policy.request_limit_micro_usd)}`,
          'Time zone': data.time_zone,
          'As of': <Instant at={data.as_of} zone={data.time_zone} />,
        }}
      />
      {data.by_feature.length === 0 ? (
        <p class="empty">No text has been asked for this month.</p>
      ) : (
        <Table
          caption="Usage by feature"
          rows={data.by_feature}
          columns={[
            { title: 'Feature', cell: ({ feature }) => toName(feature) },
            { title: 'Cost', cell: (row) => formatMicroUsd(row.cost_micro_usd), isFigure: true },
            { title: 'Calls', cell: ({ calls }) => formatCount(calls), isFigure: true },
            { title: 'Cached', cell: ({ cached }) => formatCount(cached), isFigure: true },
            { title: 'Refused', cell: ({ refused }) => formatCount(refused), isFigure: true },
            { title: 'Cheaper', cell: ({ fallbacks }) => formatCount(fallbacks), isFigure: true },
            { title: 'Failed', cell: ({ failed }) => formatCount(failed), isFigure: true },
          ]}
        />
      )}
      {data.by_model.length > 0 && (
        <Table
          caption="Usage by model"
          rows={data.by_model}
          columns={[
            {
              title: 'Model',
              cell: ({ provider, model }) => (
                <>
                  {model} <small>{toName(provider)}</small>
                </>
              ),
            },
            { title: 'Cost', cell: (row) => formatMicroUsd(row.cost_micro_usd), isFigure: true },
            { title: 'Calls', cell: ({ calls }) => formatCount(calls), isFigure: true },
            {
              title: 'State',
              cell: ({ breaker, retry_at }) =>
                breaker === 'closed' ? (
                  'in use'
                ) : (
                  <>
                    {breaker === 'open' ? 'paused after failures' : 'being tried again'}
                    {retry_at !== null && (
                      <small>
                        until <Instant at={retry_at} />
                      </small>
                    )}
                  </>
                ),
            },
          ]}
        />
      )}
    </>
  )
}

function AllowanceMeter({ name, allowance }: { name: string; allowance: Allowance }) {
  const { spent_micro_usd: spent, reserved_micro_usd: reserved, limit_micro_usd: limit } = allowance
  return (
    <Meter
      name={name}
      parts={[spent, reserved]}
      limit={limit}
      text={`${formatMicroUsd(spent)} of ${formatMicroUsd(limit)}`}
      detail={
        <>
          {reserved > 0 && `${formatMicroUsd(reserved)} set aside for calls under way; `}starts anew{' '}
          <Instant at={allowance.resets_at} />
        </>
      }
    />
  )
}
