import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type {
  Condition,
  FieldRule,
  PartsRule,
  SourceEvent as RuntimeEvent,
  Gift as RuntimeGift,
  Test,
} from '../../../src/webhooks/normalize/field-map.ts'

export { listOf } from '../../../src/webhooks/normalize/lists.ts'
export type { Condition, FieldRule, PartsRule, Test }

/** The shapes of the files in api-contracts/governance, as its schemas/*.json demand them. */

export interface CanonicalField {
  type: string
  required: boolean
  meaning: string
  unit?: string
  invariant?: string
  values?: string[]
}

export interface CanonicalEvents {
  types: Record<string, { meaning: string; pattern?: string }>
  events: Record<
    string,
    {
      meaning: string
      effect: {
        kind: 'none' | 'capture' | 'refund' | 'dispute' | 'dispute_reversal'
        sign: -1 | 0 | 1
        only?: { field: string; is: string }
      }
      fields: Record<string, CanonicalField>
    }
  >
  /** What a body may say of the parts of its order. */
  parts: Record<string, CanonicalField>
}

export interface LedgerStates {
  facts: Record<string, { values: string[]; meaning: string }>
  /** The first one whose conditions hold is the state. */
  states: Record<string, { when: Record<string, string[]>; meaning: string; initial?: true; final?: true }>
  transitions: { from: string; event: string; to: string[] }[]
}

export interface Coverage {
  vendors: Record<string, Record<string, { from?: string[]; none?: string }>>
}

export interface Transforms {
  transforms: Record<
    string,
    {
      takes: string[]
      gives: string
      needs?: string
      many?: true
      none?: true
      parameters?: FieldParameter[]
      meaning: string
    }
  >
}

export type FieldParameter = 'template' | 'released' | 'table' | 'value' | 'balance' | 'explained_by' | 'less'

export interface Gift extends RuntimeGift {
  /** primary: what the topic is about, as `x-canonical-event` says. also: what the same snapshot tells besides. */
  role: 'primary' | 'also'
}

export interface SourceEvent extends RuntimeEvent {
  schema: string
  unordered?: string
  gives: Gift[]
}

export interface FieldMap {
  vendor: string
  document: string
  delivery_schema: string
  event_name: { from: string }
  signature: { scheme: string; headers: string[]; tolerance_s: number | null } & Record<string, unknown>
  delivery_key: { of: string[]; meaning: string }
  business_key: string
  ordering: { rule: 'commutative' | 'newest_version'; meaning: string }
  test_mode: { when?: Condition[]; endpoint?: true; none?: string; meaning: string }
  limits: string[]
  ignored: Record<string, { schema: string; reason: string }>
  /** Stored of every topic, where they are there, by the form that they must have. */
  keep: Partial<Record<'ids' | 'words' | 'flags' | 'amounts' | 'currencies' | 'times', string[]>>
  events: Record<string, SourceEvent>
}

export interface Invariant {
  meaning: string
  nullable?: true
  demands: {
    type: string
    format?: string
    pattern?: string
    minimum?: number
    maximum?: number
    max_length?: number
    values?: string[]
  }
  tag_where?: Record<string, string | number>
  untagged?: { at: string; reason: string }[]
}

export interface Invariants {
  invariants: Record<string, Invariant>
}

export interface Policies {
  policies: Record<
    string,
    Record<string, { value: unknown; unit?: string; meaning: string; contract?: string[]; governance?: string[] }>
  >
}

export interface Owners {
  owners: Record<string, { team: string; domains: string[] }>
  domains: Record<string, { documents: string[] }>
}

/** What the generated maps are made of. */
export interface Maps {
  canonical: CanonicalEvents
  transforms: Transforms
  vendors: Record<string, FieldMap>
}

export const GOVERNANCE_FOLDER = join(import.meta.dirname, '../../../api-contracts/governance')

/** Throws when a file is no YAML; `contracts:check` says whether it is valid. */
export function readMaps(folder: string = GOVERNANCE_FOLDER): Maps {
  const read = (name: string): unknown => parse(readFileSync(join(folder, name), 'utf8'))
  const vendors = readdirSync(join(folder, 'field-maps'))
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => read(`field-maps/${name}`) as FieldMap)
  return {
    canonical: read('canonical-events.yaml') as CanonicalEvents,
    transforms: read('transforms.yaml') as Transforms,
    vendors: Object.fromEntries(vendors.map((map) => [map.vendor, map])),
  }
}

export function readStates(folder: string = GOVERNANCE_FOLDER): LedgerStates {
  return parse(readFileSync(join(folder, 'ledger-states.yaml'), 'utf8')) as LedgerStates
}
