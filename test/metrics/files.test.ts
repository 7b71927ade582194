import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { tasks } from '../../src/main/app.ts'
import {
  apiMetrics,
  countSeries,
  type Definitions,
  exporterMetrics,
  type MetricDefinition,
  SERIES_BUDGET,
  workerMetrics,
} from '../../src/metrics/catalogue.ts'

const worker = workerMetrics(tasks.map(({ name }) => name))
const surfaces: Record<string, Definitions> = {
  'an API process': apiMetrics,
  'the exporter': { ...worker, ...exporterMetrics },
}
const all: Definitions = { ...apiMetrics, ...worker, ...exporterMetrics }

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

/** A label names what there is a handful of. */
const LABELS = [
  'class',
  'domain',
  'kind',
  'operation',
  'outcome',
  'pool',
  'queue',
  'result',
  'state',
  'status',
  'task',
  'vendor',
  'view',
]

describe.each(Object.entries(surfaces))('%s', (_name, definitions) => {
  test(`has ${SERIES_BUDGET} series at most`, () => {
    expect(countSeries(definitions)).toBeGreaterThan(50)
    expect(countSeries(definitions)).toBeLessThanOrEqual(SERIES_BUDGET)
  })

  test.each(Object.entries(definitions))('%s has a name, labels and a text as they must be', (name, definition) => {
    expect(name).toMatch(/^skd_[a-z]+(_[a-z]+)*$/)
    expect(name.endsWith('_total')).toBe(definition.type === 'counter')
    if (definition.type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/)
    expect(name).not.toMatch(/_(ms|millis|minutes|kb|mb)(_|$)/)
    expect(definition.help).toMatch(/^[A-Z0-9].*\.$/)
    for (const [label, values] of Object.entries(definition.labels)) {
      expect(LABELS).toContain(label)
      expect(new Set(values).size).toBe(values.length)
      for (const value of values) expect(value).toMatch(/^[A-Za-z0-9_.]+$/)
    }
    expect([...(definition.buckets ?? [])].sort((a, b) => a - b)).toEqual(definition.buckets ?? [])
  })
})

/** Of Prometheus itself. */
const ITS_OWN = new Set(['up'])

interface Use {
  name: string
  /** In matchers and in `by (…)`. */
  labels: string[]
}

/** What an expression asks of metrics: each name with the matchers behind it, and what it groups by. */
function usesOf(expression: string): { uses: Use[]; groups: string[] } {
  const uses = [...expression.matchAll(/\b((?:skd_\w+)|up)\b(?:\{([^}]*)\})?/g)].map(
    ([, name = '', matchers = '']) => ({
      name,
      labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
    }),
  )
  const groups = [...expression.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((label) => label.trim()),
  )
  return { uses, groups }
}

/** The metric of a series: a histogram has three kinds of them. */
function definitionOf(name: string): MetricDefinition | undefined {
  const own = all[name]
  if (own !== undefined) return own.type === 'histogram' ? undefined : own
  const histogram = all[name.replace(/_(bucket|sum|count)$/, '')]
  return histogram?.type === 'histogram' ? histogram : undefined
}

/** What is wrong with an expression. */
function faultsOf(expression: string): string[] {
  const { uses, groups } = usesOf(expression)
  const faults = uses.length === 0 ? [`${expression} uses no metric`] : []
  for (const { name, labels } of uses) {
    if (ITS_OWN.has(name)) continue
    const definition = definitionOf(name)
    if (definition === undefined) {
      faults.push(`there is no series ${name}`)
      continue
    }
    const known = [...Object.keys(definition.labels), 'instance', 'job', ...(name.endsWith('_bucket') ? ['le'] : [])]
    for (const label of [...labels, ...groups]) if (!known.includes(label)) faults.push(`${name} has no label ${label}`)
  }
  return faults
}

interface Rule {
  alert: string
  expr: string
  labels: { severity: string }
  annotations: { summary: string; action: string }
}
const rules = (parse(read('scripts/deploy/prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
)
interface Panel {
  type: string
  title: string
  targets?: { expr: string; legendFormat: string }[]
}
const dashboard = JSON.parse(read('scripts/deploy/grafana/dashboards/skeldir.json')) as { panels: Panel[] }
const queries = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })))

test('the rules of the alerts are there, and each says what to do', () => {
  expect(rules.length).toBeGreaterThan(8)
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
  for (const { labels, annotations } of rules) {
    expect(['page', 'warn']).toContain(labels.severity)
    expect(annotations.summary).toMatch(/\S/)
    expect(annotations.action).toMatch(/\S/)
  }
})

test.each(rules.map(({ alert, expr }) => [alert, expr]))('alert %s asks for what there is', (_alert, expr) => {
  expect(faultsOf(expr)).toEqual([])
})

/** What an expression looks for that a label never is: its alert could not fire. */
function strangersOf(expression: string): string[] {
  return usesOf(expression).uses.flatMap(({ name }) => {
    const [, matchers = ''] = new RegExp(`\\b${name}\\{([^}]*)\\}`).exec(expression) ?? []
    return [...matchers.matchAll(/(\w+)(=~|=)"([^"]*)"/g)].flatMap(([, label = '', how, value = '']) => {
      const list = definitionOf(name)?.labels[label]
      if (list === undefined) return []
      // Where it is a pattern, each of what it has between its bars.
      const wanted = how === '=' ? [value] : value.split('|')
      return wanted.filter((one) => !list.some((known) => new RegExp(`^(?:${one})$`).test(known)))
    })
  })
}

test.each(
  [...rules.map(({ alert: title, expr }) => ({ title, expr })), ...queries].map(({ title, expr }) => [title, expr]),
)('%s looks for values that are on the lists: %s', (_title, expr) => expect(strangersOf(expr)).toEqual([]))

test('a write that fails though the database is said to be ready is told of: a full disk', () => {
  const expr = rules.find(({ alert }) => alert === 'SkeldirWritesFail')?.expr ?? ''
  for (const operation of ['ingestTouchpoints', 'ingestConversions', 'ingestSpend', 'collectBrowserTouchpoints'])
    expect(expr).toContain(operation)
})

test('for each alert the operators are told what to do, and for none besides', () => {
  const guide = read('api-contracts/guides/operator.md')
  const [, runbook = ''] = /^## When an alert fires\n([\s\S]*?)^## /m.exec(guide) ?? []
  const entries = runbook.split(/^### /m).slice(1)
  const told = entries.map((entry) => /^(\w+)\n\n\S/.exec(entry)?.[1])
  expect(told.sort()).toEqual(rules.map(({ alert }) => alert).sort())
})

test('the names in a legend are labels that are left', () => {
  expect(queries.length).toBeGreaterThan(20)
  for (const { expr, legendFormat } of queries) {
    const named = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label)
    const { groups } = usesOf(expr)
    for (const label of named) expect([...groups, 'instance']).toContain(label)
  }
})

test.each(queries.map(({ title, expr }) => [title, expr]))('panel "%s" asks for what there is: %s', (_title, expr) => {
  expect(faultsOf(expr)).toEqual([])
})

test('every metric is on the dashboard', () => {
  const shown = new Set(
    queries.flatMap(({ expr }) => usesOf(expr).uses.map(({ name }) => name.replace(/_(bucket|sum|count)$/, ''))),
  )
  expect(Object.keys(all).filter((name) => !shown.has(name))).toEqual([])
})

test('the guide explains every metric with its type and labels, and none besides', () => {
  const rows = [...read('api-contracts/guides/metrics.md').matchAll(/^\| `(skd_\w+)` \| (\w+) \| ([^|]*) \|/gm)]
  const explained = Object.fromEntries(
    rows.map(([, name = '', type = '', labels = '']) => [
      name,
      `${type} ${[...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).join()}`,
    ]),
  )
  const expected = Object.fromEntries(
    Object.entries(all).map(([name, { type, labels }]) => [name, `${type} ${Object.keys(labels).join()}`]),
  )
  expect(explained).toEqual(expected)
})

test('what the check refuses', () => {
  expect(faultsOf('sum(rate(skd_made_up_total[5m]))')).toEqual(['there is no series skd_made_up_total'])
  expect(faultsOf('skd_http_request_duration_seconds')).toHaveLength(1)
  expect(faultsOf('sum by (tenant) (skd_queue_ready_jobs)')).toEqual(['skd_queue_ready_jobs has no label tenant'])
  expect(faultsOf('skd_queue_ready_jobs{user="a"}')).toEqual(['skd_queue_ready_jobs has no label user'])
  expect(faultsOf('vector(1)')).toHaveLength(1)
  expect(strangersOf('skd_http_failures_total{operation=~"login|logon"}')).toEqual(['logon'])
  expect(strangersOf('skd_http_requests_total{status="500"}')).toEqual(['500'])
})
