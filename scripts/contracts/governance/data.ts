import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

/** The shapes of the files in api-contracts/governance, as its schemas/*.json demand them. */

export interface CanonicalField {
  type: string
  required: boolean
  meaning: string
  unit?: string
  invariant?: string
  /** An event whose amount is 0 does not exist. */
  zero?: 'no_event'
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
    { takes: string[]; gives: string; needs?: string; many?: true; parameters?: FieldParameter[]; meaning: string }
  >
}

export type FieldParameter = 'template' | 'previous' | 'table' | 'value'

export interface FieldRule {
  /** Where several are given, the first that is there. */
  from?: string | string[]
  transform: string[]
  template?: string
  previous?: string
  table?: Record<string, string>
  value?: string
  on_missing?: 'dead'
  /** A value that the transforms refuse is passed over. */
  skip_invalid?: true
}

export interface Test {
  from: string | string[]
  present?: boolean
  in?: (string | number | boolean)[]
  not_in?: (string | number | boolean)[]
  /** What `in` and `not_in` say where there is no value. Default: false. */
  or_absent?: true
}

export type Condition = Test | { any: Test[] }

export interface Gift {
  event: string
  /** primary: what the topic is about, as `x-canonical-event` says. also: what the same snapshot tells besides. */
  role: 'primary' | 'also'
  for_each?: string
  /** All hold, or there is no such event. */
  when?: Condition[]
  /** All hold, or the delivery contradicts its topic. */
  expect?: Condition[]
  fields: Record<string, FieldRule>
}

export interface SourceEvent {
  schema: string
  version?: FieldRule
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

/** What `applyFieldMap` needs. */
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

export function listOf<T>(value: T | T[] | undefined): T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}
