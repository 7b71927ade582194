import { Counter, Gauge, Histogram, type OpenMetricsContentType, Registry } from 'prom-client'
import { type Definitions, UNKNOWN } from './catalogue.ts'

export interface Sample {
  value: number
  labels: Record<string, string | number>
  /** Of a histogram's samples: with `_bucket`, `_sum` or `_count`. */
  metricName?: string | undefined
  exemplar?: { labelSet: Record<string, string>; value: number; timestamp: number } | null | undefined
}

/** One metric with all its samples, as prom-client gives it; plain data, so that it can be written to a file. */
export interface Family {
  name: string
  help: string
  type: string
  aggregator: string
  values: Sample[]
}

type NamesOf<D extends Definitions, Type extends string> = {
  [Name in keyof D]: D[Name]['type'] extends Type ? Name : never
}[keyof D] &
  string
type LabelsOf<D extends Definitions, Name extends keyof D> = { readonly [Label in keyof D[Name]['labels']]: string }

/** Holds the figures of one process. A label's value that is not on its list counts as `unknown`. */
export interface Metrics<D extends Definitions> {
  add<Name extends NamesOf<D, 'counter'>>(name: Name, labels: LabelsOf<D, Name>, by?: number): void
  set<Name extends NamesOf<D, 'gauge'>>(name: Name, labels: LabelsOf<D, Name>, value: number): void
  /** `requestId` is shown with the figure, where the reader asks for OpenMetrics: it leads to the log. It is no label. */
  observe<Name extends NamesOf<D, 'histogram'>>(
    name: Name,
    labels: LabelsOf<D, Name>,
    value: number,
    requestId?: string,
  ): void
  read(): Promise<Family[]>
  /** Begins anew, from nothing: counters from 0. */
  reset(): void
}

/** Every counter is there with 0 from the beginning, for each value of its labels: so its first step is one. */
export function createMetrics<D extends Definitions>(definitions: D): Metrics<D> {
  // Only in one of this kind does prom-client take exemplars. What is shown is up to `render`.
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  const counters = new Map<string, Counter>()
  const gauges = new Map<string, Gauge>()
  const histograms = new Map<string, Histogram>()
  const lists = new Map<string, Map<string, ReadonlySet<string>>>()
  for (const [name, { type, help, labels, buckets, aggregate = 'sum' }] of Object.entries(definitions)) {
    const common = { name, help, labelNames: Object.keys(labels), registers: [registry], aggregator: aggregate }
    lists.set(name, new Map(Object.entries(labels).map(([label, values]) => [label, new Set(values)])))
    if (type === 'counter') counters.set(name, new Counter(common))
    else if (type === 'gauge') gauges.set(name, new Gauge(common))
    else histograms.set(name, new Histogram({ ...common, buckets: [...(buckets ?? [])], enableExemplars: true }))
  }

  // A series that appears as 1 and stays 1 has not increased, for Prometheus.
  function beginCounters(): void {
    for (const [name, counter] of counters)
      for (const labels of combinationsOf(definitions[name]?.labels ?? {})) counter.inc(labels, 0)
  }
  beginCounters()

  function close(name: string, labels: Readonly<Record<string, string>>): Record<string, string> {
    const closed: Record<string, string> = {}
    for (const [label, values] of lists.get(name) ?? []) {
      const value = labels[label]
      closed[label] = value !== undefined && values.has(value) ? value : UNKNOWN
    }
    return closed
  }

  return {
    add(name, labels, by = 1) {
      counters.get(name)?.inc(close(name, labels), by)
    },
    set(name, labels, value) {
      gauges.get(name)?.set(close(name, labels), value)
    },
    observe(name, labels, value, requestId) {
      const exemplarLabels: Record<string, string> = requestId === undefined ? {} : { correlation_id: requestId }
      histograms.get(name)?.observe({ labels: close(name, labels), value, exemplarLabels })
    },
    read: () => registry.getMetricsAsJSON() as unknown as Promise<Family[]>,
    reset() {
      registry.resetMetrics()
      beginCounters()
    },
  }
}

/** Each value of one label with each of the others. */
function combinationsOf(lists: Readonly<Record<string, readonly string[]>>): Record<string, string>[] {
  return Object.entries(lists).reduce<Record<string, string>[]>(
    (known, [label, values]) => known.flatMap((labels) => values.map((value) => ({ ...labels, [label]: value }))),
    [{}],
  )
}
