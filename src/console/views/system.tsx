import { useState } from 'preact/hooks'
import type { Data } from '../../../generated/client/index.js'
import { useAnswer } from '../api/use-answer.ts'
import { formatCount } from '../format/money.ts'
import { toName } from '../format/name.ts'
import { formatDuration } from '../format/time.ts'
import { Facts, Instant } from '../parts/facts.tsx'
import { Panel } from '../parts/panel.tsx'
import { Select } from '../parts/select.tsx'
import { Table } from '../parts/table.tsx'
import { useMore } from '../parts/use-more.tsx'

type FailedJob = Data<'listFailedJobs'>['items'][number]
type DetailedHealth = Data<'getDetailedHealth'>

export function System() {
  return (
    <>
      <h1 class="visually-hidden">System</h1>
      <Worker />
      <Queues />
      <FailedJobs />
    </>
  )
}

function Worker() {
  const answer = useAnswer('getWorkerHealth', {}, (api, { signal }) => api.getWorkerHealth({}, { signal }))
  const again = (
    <button type="button" class="quiet" onClick={answer.reload}>
      Ask again
    </button>
  )
  return (
    <Panel title="Worker" answer={answer} controls={answer.fault === null && again}>
      {(data) => (
        <>
          <p class="total">
            <span class="verdict good">Answers</span> A job went through the queue to a worker and back in{' '}
            <strong>{formatCount(data.round_trip_ms)} ms</strong>.
          </p>
          <Facts of={{ Worker: <code>{data.worker_id}</code>, Checked: <Instant at={data.checked_at} /> }} />
        </>
      )}
    </Panel>
  )
}

function Queues() {
  const answer = useAnswer('getDetailedHealth', {}, (api, { signal }) => api.getDetailedHealth({}, { signal }))
  return (
    <Panel title="Queues" answer={answer}>
      {(data) => <QueueFigures data={data} />}
    </Panel>
  )
}

function QueueFigures({ data }: { data: DetailedHealth }) {
  return (
    <>
      <p class="total">
        <span class={`verdict ${data.status === 'healthy' ? 'good' : 'bad'}`}>{toName(data.status)}</span>{' '}
        {data.components.map(({ name, status }) => `${toName(name)}: ${status}`).join(', ')}
      </p>
      {data.queues.length === 0 ? (
        <p class="empty">The queues cannot be seen while the database is away.</p>
      ) : (
        <Table
          caption="Jobs by queue"
          rows={data.queues}
          columns={[
            { title: 'Queue', cell: ({ name }) => toName(name) },
            { title: 'Waiting', cell: ({ ready }) => formatCount(ready), isFigure: true },
            { title: 'At work', cell: ({ active }) => formatCount(active), isFigure: true },
            { title: 'Failed', cell: ({ failed }) => formatCount(failed), isFigure: true },
            {
              title: 'Oldest waits',
              cell: (row) =>
                row.oldest_ready_age_seconds === null ? 'none' : formatDuration(row.oldest_ready_age_seconds),
              isFigure: true,
            },
          ]}
        />
      )}
      <Facts
        of={{
          Workers: formatCount(data.workers.length),
          Version: data.version,
          Up: formatDuration(data.uptime_seconds),
          Checked: <Instant at={data.checked_at} />,
        }}
      />
    </>
  )
}

const STATUSES: Readonly<Record<FailedJob['status'], string>> = {
  pending: 'Waiting',
  in_progress: 'Running again',
  resolved: 'Resolved',
  abandoned: 'Given up',
}
const LIMIT = 20

function FailedJobs() {
  const [status, setStatus] = useState<FailedJob['status'] | undefined>('pending')
  const query = { limit: LIMIT, ...(status !== undefined && { status }) }
  const answer = useAnswer('listFailedJobs', query, (api, { signal }) => api.listFailedJobs({ query }, { signal }))
  const controls = (
    <div class="controls">
      <Select label="State" value={status} options={STATUSES} all="All" onChange={setStatus} />
    </div>
  )
  return (
    <Panel title="Failed jobs" answer={answer} controls={controls}>
      {(data) => <List key={`${status} ${answer.confirmedAt}`} first={data} query={query} />}
    </Panel>
  )
}

function List({
  first,
  query,
}: {
  first: Data<'listFailedJobs'>
  query: { limit: number; status?: FailedJob['status'] }
}) {
  const { items, more } = useMore<FailedJob>('listFailedJobs', first, (api, cursor) =>
    api.listFailedJobs({ query: { ...query, cursor } }),
  )
  if (items.length === 0) return <p class="empty">No job waits for somebody.</p>
  return (
    <>
      <ul class="rows">
        {items.map((job) => (
          <li key={job.job_id}>
            <p class="row-title">
              <strong>
                {toName(job.queue)}: {toName(job.task).toLowerCase()}
              </strong>
              <span class={`verdict ${job.status === 'pending' ? 'bad' : 'open'}`}>{STATUSES[job.status]}</span>
            </p>
            <p>{job.message}</p>
            <p class="fine">
              {toName(job.failure_class)}, {formatCount(job.attempts)} attempts, last{' '}
              <Instant at={job.last_failed_at} />, correlation id <code>{job.correlation_id}</code>
            </p>
          </li>
        ))}
      </ul>
      {more}
    </>
  )
}
