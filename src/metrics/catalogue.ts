import { operations } from '../../generated/operations.ts'
import { queues } from '../queue/queues.ts'
import { viewNames } from '../rollups/views.ts'
import type { DeadClass } from '../webhooks/normalize/dead-delivery.ts'

/*
 * Every metric that there is. Names: `skd_`, base units, `_total` for what only grows. Labels: their values are a closed
 * list, and whatever is not on it becomes `unknown`; none names a tenant, a user or a request. A surface has 500 series
 * at most, were all of them there (`countSeries`), so that nobody's traffic can make the metrics grow.
 */

export interface MetricDefinition {
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels: Readonly<Record<string, readonly string[]>>
  /** Upper bounds, in the unit of the name. */
  buckets?: readonly number[]
  /** How a gauge of several processes becomes one. Default: the sum. */
  aggregate?: 'sum' | 'max'
}
export type Definitions = Readonly<Record<string, MetricDefinition>>

/** Of what is on no list. */
export const UNKNOWN = 'unknown'

/** What one process or exporter answers with at most. */
export const SERIES_BUDGET = 500

const DOMAINS = [...new Set(Object.values(operations).map(({ domain }) => domain))].sort()
const VENDORS = ['shopify', 'stripe', 'paypal', 'woocommerce']
const DEAD_CLASSES = Object.keys({
  malformed: 0,
  schema: 0,
  poison: 0,
  unsupported: 0,
  conflict: 0,
} satisfies Record<DeadClass, 0>)

const deadLetters = new Set(queues.map(({ deadLetter }) => deadLetter))
/** Those of tasks: the probe's is a question, and a dead letter queue is told of as what its own queue lost. */
export const QUEUES = queues.map(({ name }) => name).filter((name) => name !== 'probe' && !deadLetters.has(name))

const processMetrics = {
  skd_process_start_time_seconds: {
    type: 'gauge',
    help: 'When the process was started, in seconds since 1970.',
    labels: {},
    aggregate: 'max',
  },
  skd_process_cpu_seconds_total: {
    type: 'counter',
    help: 'Processor time that the process has used, of the system and its own.',
    labels: {},
  },
  skd_process_resident_memory_bytes: {
    type: 'gauge',
    help: 'Memory that the process holds.',
    labels: {},
  },
} as const satisfies Definitions

/** Of an API process, answered by the operation getMetrics. */
export const apiMetrics = {
  ...processMetrics,
  skd_event_loop_delay_seconds: {
    type: 'gauge',
    help: '99th percentile of how late timers fired in the last half to whole minute.',
    labels: {},
  },
  skd_http_requests_total: {
    type: 'counter',
    help: 'Answers, without those to probes, by the domain of the operation and the class of the status; `other` is files and unknown paths.',
    // 501 is what is not built yet, and nobody is to be called for.
    labels: { domain: [...DOMAINS, 'other'], status: ['2xx', '3xx', '4xx', '5xx', '501'] },
  },
  skd_http_failures_total: {
    type: 'counter',
    help: 'Answers with a status from 500 on, but 501, by the operation.',
    labels: { operation: Object.keys(operations) },
  },
  skd_http_request_duration_seconds: {
    type: 'histogram',
    help: 'From the arrival of the headers until the answer was written.',
    labels: { domain: [...DOMAINS, 'other'] },
    buckets: [0.005, 0.025, 0.1, 0.25, 1, 5],
  },
  skd_webhook_received_total: {
    type: 'counter',
    help: 'Signed deliveries of vendors, by what became of them. `failed`: answered with a status from 500 on, also before the signature could be checked.',
    labels: { vendor: VENDORS, result: ['accepted', 'ignored', 'duplicate', 'dead', 'failed'] },
  },
  skd_failed_event_total: {
    type: 'counter',
    help: 'Signed deliveries that became dead events, by vendor and by what is wrong with them.',
    labels: { vendor: VENDORS, class: DEAD_CLASSES },
  },
  skd_webhook_ack_duration_seconds: {
    type: 'histogram',
    help: 'From when the signature of a delivery had been checked until it was stored for good.',
    labels: {},
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  },
  skd_events_ingested_total: {
    type: 'counter',
    help: 'Items that came by the ingestion operations, by what became of them.',
    labels: {
      kind: ['touchpoint', 'browser_touchpoint', 'conversion', 'spend'],
      result: ['accepted', 'duplicate', 'rejected'],
    },
  },
  skd_queue_ready_jobs: {
    type: 'gauge',
    help: 'Jobs that wait for a worker and are due; 100,000 stands for that and more.',
    labels: { queue: QUEUES },
  },
  skd_queue_active_jobs: { type: 'gauge', help: 'Jobs that a worker is at.', labels: { queue: QUEUES } },
  skd_queue_dead_letter_jobs: {
    type: 'gauge',
    help: 'Jobs that failed for good and wait for somebody to look.',
    labels: { queue: QUEUES },
  },
  skd_queue_oldest_ready_age_seconds: {
    type: 'gauge',
    help: 'How long the job that is due for longest has been; 0 where none is.',
    labels: { queue: QUEUES },
  },
  skd_queue_dead_tuples: {
    type: 'gauge',
    help: 'Rows of the queue that are gone and not yet cleared away, as the database estimates.',
    labels: {},
  },
  skd_pg_oldest_xmin_age_seconds: {
    type: 'gauge',
    help: 'How long the process has seen one transaction keep all newer dead rows from being cleared away; 0 where none does.',
    labels: {},
  },
  skd_view_staleness_seconds: {
    type: 'gauge',
    help: 'How old the first change of the data is that the view does not have yet; 0 where it has all.',
    labels: { view: viewNames },
  },
  skd_queue_last_refresh_timestamp_seconds: {
    type: 'gauge',
    help: 'When the queue figures were read last: they keep their values while the database is away.',
    labels: {},
  },
  skd_queue_refresh_errors_total: {
    type: 'counter',
    help: 'How often the queue figures were wanted and could not be read.',
    labels: {},
  },
  skd_workers: {
    type: 'gauge',
    help: 'Worker processes that gave a sign of life in the last minute, by the database.',
    labels: {},
  },
  skd_db_connections: {
    type: 'gauge',
    help: 'Connections of the pools of the process, and requests that wait for one.',
    labels: { pool: ['main', 'ingest', 'probe'], state: ['busy', 'idle', 'waiting'] },
  },
} as const satisfies Definitions

/** What came of a job. `retry`: it failed and will be tried again; `failure`: it failed for good. */
export const OUTCOMES = ['success', 'failure', 'retry', 'timeout', 'rejected', 'skipped'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** Of all workers of a host together, answered by `skeldir exporter`. */
export function workerMetrics(tasks: readonly string[]) {
  return {
    ...processMetrics,
    skd_task_started_total: { type: 'counter', help: 'Jobs that a worker began.', labels: { task: tasks } },
    skd_task_finished_total: {
      type: 'counter',
      help: 'Jobs that a worker was done with, by what came of them.',
      labels: { task: tasks, outcome: OUTCOMES },
    },
    skd_task_duration_seconds: {
      type: 'histogram',
      help: 'How long one run of a task took; jobs of one tenant may be one run.',
      labels: { task: tasks },
      buckets: [0.01, 0.1, 1, 10, 60, 300],
    },
    skd_task_active: { type: 'gauge', help: 'Jobs that workers are at.', labels: {} },
    skd_view_refresh_total: {
      type: 'counter',
      help: 'Refreshes of what is kept ready to read, by what came of them.',
      labels: { view: viewNames, outcome: ['success', 'skipped', 'failure'] },
    },
    skd_view_refresh_duration_seconds: {
      type: 'histogram',
      help: 'How long a refresh took.',
      labels: { view: viewNames },
      buckets: [0.1, 1, 10, 60],
    },
  } as const satisfies Definitions
}

/** Of the exporter itself. */
export const exporterMetrics = {
  skd_exporter_workers: {
    type: 'gauge',
    help: 'Worker processes of the host whose figures were written in the last 15 seconds.',
    labels: {},
  },
  skd_exporter_shards: {
    type: 'gauge',
    help: 'Files of figures in the folder, of workers that are gone too.',
    labels: {},
  },
  skd_exporter_retired_total: {
    type: 'counter',
    help: 'Workers whose figures were taken over after they ended; what they counted still counts.',
    labels: {},
  },
  skd_exporter_unreadable_shards: { type: 'gauge', help: 'Files in the folder that are no figures.', labels: {} },
} as const satisfies Definitions

/** How many series there are when each one is: of a histogram a bucket is one, and so are its sum and its count. */
export function countSeries(definitions: Definitions): number {
  return Object.values(definitions).reduce((total, { type, labels, buckets = [] }) => {
    // One more for `unknown`.
    const children = Object.values(labels).reduce((product, values) => product * (values.length + 1), 1)
    return total + children * (type === 'histogram' ? buckets.length + 3 : 1)
  }, 0)
}
