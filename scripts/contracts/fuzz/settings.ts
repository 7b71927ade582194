// What Schemathesis reads: its configuration file for one role, and the settings of hooks.py.

import type { OperationRow } from '../../../generated/operations.ts'
import { contractTopics } from '../../../src/webhooks/simulator/contract-topics.ts'
import { CHECKS, isAbout, type Narrowed } from './narrowed.ts'
import type { Plan, Trial } from './plan.ts'
import type { Actor } from './provision.ts'

/** Names inside the folder of a run; the runner may see the folder under another path. */
export const FILES = {
  schema: 'openapi.json',
  config: 'schemathesis.toml',
  settings: 'settings.json',
  hooks: 'hooks.py',
  events: 'events.ndjson',
  hits: 'hits.json',
} as const

/** Enough for every body that the contract bounds, so that a failure can be replayed from the report. */
const RECORDED_BYTES = 65_536
const REQUEST_TIMEOUT_S = 30
/** A sequence has six calls, and is begun anew up to fifty times. */
const CALLS_PER_SEQUENCE = 300

/** A password may be wrong too often, and a page may fail again and again. */
const LIMITED_BY_USER = ['/api/auth/password', '/api/errors/log']

export interface RunSettings {
  url: string
  seed: number
  plan: Plan
  operations: Readonly<Record<string, OperationRow>>
  narrowed: readonly Narrowed[]
}

export function labelOf({ method, path }: Pick<OperationRow, 'method' | 'path'>): string {
  return `${method.toUpperCase()} ${path}`
}

/** The statuses with which a valid request may be answered; all others, 401 and 503 among them, are failures. */
export function expectedOf(trial: Pick<Trial, 'access'>, row: OperationRow): string[] {
  if (trial.access === 'refused401') return ['401']
  if (trial.access === 'refused403') return ['403']
  const declared = Object.keys(row.replies)
  const possible = ['404', '409', '412']
  // A login may be wrong, or come from the wrong page; where security is declared, the role has what it takes.
  if (row.security.length === 0) possible.push('401', '403')
  // Of anything else the tenant may do as much as it likes.
  if (row.security.length === 0 || LIMITED_BY_USER.includes(row.path)) possible.push('429')
  return ['2xx', '3xx', ...possible.filter((status) => declared.includes(status))]
}

/** TOML: strings of JSON are strings of TOML too. */
export function toConfig({ url, seed, plan, operations, narrowed }: RunSettings): string {
  const lines = [
    `base-url = ${JSON.stringify(url)}`,
    `seed = ${seed}`,
    'workers = 1',
    'continue-on-failure = true',
    `request-timeout = ${REQUEST_TIMEOUT_S}`,
    'warnings = false',
    'suppress-health-check = ["all"]',
    '',
    '[cache]',
    'enabled = false',
    '',
    '[output.sanitization]',
    // The credentials are the run's own, and without them nothing can be replayed.
    'enabled = false',
    '[output.truncation]',
    `max-recorded-payload-size = ${RECORDED_BYTES}`,
    '',
    '[reports.ndjson]',
    'enabled = true',
    `path = ${JSON.stringify(FILES.events)}`,
    '',
    '[generation]',
    'database = "none"',
    'mode = "all"',
    '',
    '[phases.stateful]',
    `enabled = ${plan.sequences > 0}`,
    '[phases.stateful.generation]',
    `max-examples = ${Math.max(1, plan.sequences)}`,
    '',
    ...CHECKS.flatMap((check) => [`[checks.${check}]`, 'enabled = true']),
  ]
  const trials = new Map(plan.trials.map((trial) => [trial.operationId, trial]))
  for (const [id, row] of Object.entries(operations)) {
    const trial = trials.get(id)
    lines.push('', '[[operations]]', `include-operation-id = ${JSON.stringify(id)}`)
    if (trial === undefined) {
      lines.push('enabled = false')
      continue
    }
    lines.push(`generation.max-examples = ${Math.max(1, trial.fuzzing)}`)
    lines.push(`phases.coverage.enabled = ${trial.boundaries > 0}`)
    lines.push(`phases.fuzzing.enabled = ${trial.fuzzing > 0}`)
    lines.push(`checks.positive_data_acceptance.expected-statuses = ${JSON.stringify(expectedOf(trial, row))}`)
    for (const entry of narrowed) {
      if (entry.when === undefined && isAbout(entry, id)) lines.push(`checks.${entry.check}.enabled = false`)
    }
  }
  return `${lines.join('\n')}\n`
}

export function toHookSettings({ url, plan, operations, narrowed }: RunSettings, actor: Actor): object {
  const rows = plan.trials.map(({ operationId, boundaries }) => {
    const row = operations[operationId] as OperationRow
    const { path, security, replies, requestBody } = row
    const signature = security.flat().find((scheme) => scheme.endsWith('Signature'))
    const vendor = signature?.slice(0, -'Signature'.length) ?? null
    const topic = topicOf(vendor, path)
    const jsonText = Object.keys(requestBody?.jsonText ?? {})
    const statuses = Object.keys(replies)
    return [labelOf(row), { id: operationId, path, security, vendor, topic, jsonText, boundaries, statuses }]
  })
  const sequenceCalls = plan.sequences * CALLS_PER_SEQUENCE
  return { url, actor, narrowed, operations: Object.fromEntries(rows), sequenceCalls, hits: FILES.hits }
}

/** The topic that an operation takes alone, where the vendor says it in a header. */
function topicOf(vendor: string | null, path: string): string | null {
  if (vendor !== 'shopify' && vendor !== 'woocommerce') return null
  const topics = contractTopics(vendor).filter(({ paths }) => paths.includes(path))
  return topics.length === 1 ? (topics[0]?.topic ?? null) : null
}
