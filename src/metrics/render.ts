import type { Family, Sample } from './registry.ts'

/** Of Prometheus since 0.0.4, and its successor, which has exemplars. */
export type Format = 'prometheus' | 'openmetrics'

/** Source: https://prometheus.io/docs/instrumenting/exposition_formats/, OpenMetrics 1.0. Metrics without samples are left out. */
export function render(families: readonly Family[], format: Format): string {
  const isOpen = format === 'openmetrics'
  const lines = families
    .filter(({ values }) => values.length > 0)
    .flatMap(({ name, help, type, values }) => {
      // OpenMetrics names a counter without what its samples end with.
      const title = isOpen && type === 'counter' ? name.replace(/_total$/, '') : name
      return [
        `# HELP ${title} ${isOpen ? escapeValue(help) : escapeHelp(help)}`,
        `# TYPE ${title} ${type}`,
        ...values.map((sample) => line(sample.metricName ?? name, sample, isOpen)),
      ]
    })
  if (isOpen) lines.push('# EOF')
  return `${lines.join('\n')}\n`
}

function line(name: string, { labels, value, exemplar }: Sample, isOpen: boolean): string {
  const shown =
    isOpen && exemplar ? ` # {${pairs(exemplar.labelSet)}} ${number(exemplar.value)} ${exemplar.timestamp}` : ''
  const all = pairs(labels)
  return `${name}${all === '' ? '' : `{${all}}`} ${number(value)}${shown}`
}

function pairs(labels: Readonly<Record<string, string | number>>): string {
  return Object.entries(labels)
    .map(([label, value]) => `${label}="${escapeValue(String(value))}"`)
    .join(',')
}

function number(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value)
  return value > 0 ? '+Inf' : '-Inf'
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function escapeValue(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"')
}
