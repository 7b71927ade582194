import { expect, test } from 'vitest'
import { createMetrics } from './registry.ts'
import { render } from './render.ts'

const definitions = {
  skd_a_total: { type: 'counter', help: 'A \\ b\n"c".', labels: { kind: ['x', 'y'] } },
  skd_b_seconds: { type: 'histogram', help: 'B.', labels: {}, buckets: [0.5, 1] },
  skd_c: { type: 'gauge', help: 'C.', labels: {} },
  skd_d: { type: 'gauge', help: 'D.', labels: { kind: ['x'] } },
} as const

function givenMetrics() {
  const metrics = createMetrics(definitions)
  metrics.add('skd_a_total', { kind: 'x' }, 2)
  metrics.observe('skd_b_seconds', {}, 0.75, 'an-id')
  metrics.set('skd_c', {}, Number.POSITIVE_INFINITY)
  return metrics
}

test('the text format of Prometheus', async () => {
  expect(render(await givenMetrics().read(), 'prometheus')).toBe(`# HELP skd_a_total A \\\\ b\\n"c".
# TYPE skd_a_total counter
skd_a_total{kind="x"} 2
skd_a_total{kind="y"} 0
# HELP skd_b_seconds B.
# TYPE skd_b_seconds histogram
skd_b_seconds_bucket{le="0.5"} 0
skd_b_seconds_bucket{le="1"} 1
skd_b_seconds_bucket{le="+Inf"} 1
skd_b_seconds_sum 0.75
skd_b_seconds_count 1
# HELP skd_c C.
# TYPE skd_c gauge
skd_c +Inf
`)
})

test('OpenMetrics: counters without their ending, exemplars, and an end', async () => {
  const lines = render(await givenMetrics().read(), 'openmetrics').split('\n')
  expect(lines).toContain('# TYPE skd_a counter')
  expect(lines).toContain('skd_a_total{kind="x"} 2')
  expect(lines).toContain('# HELP skd_a A \\\\ b\\n\\"c\\".')
  expect(lines.filter((line) => / # \{/.test(line))).toEqual([
    expect.stringMatching(/^skd_b_seconds_bucket\{le="1"\} 1 # \{correlation_id="an-id"\} 0\.75 \d+(\.\d+)?$/),
  ])
  expect(lines.slice(-2)).toEqual(['# EOF', ''])
})

test('both, in turn, of the same figures', async () => {
  const metrics = givenMetrics()
  const first = render(await metrics.read(), 'prometheus')
  render(await metrics.read(), 'openmetrics')
  expect(render(await metrics.read(), 'prometheus')).toBe(first)
})

test('a value that is on no list is unknown, however many there are', async () => {
  const metrics = createMetrics(definitions)
  for (let i = 0; i < 1_000; i += 1) metrics.add('skd_a_total', { kind: `tenant-${i}` })
  const text = render(await metrics.read(), 'prometheus')
  expect(text).toContain('skd_a_total{kind="unknown"} 1000\n')
  expect(text).not.toContain('tenant')
})
