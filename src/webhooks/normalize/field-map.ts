import { fieldMaps as compiled } from '../../../generated/field-maps.ts'

/**
 * The shapes of api-contracts/governance as a running program needs them; the schemas beside the files demand more.
 * `npm run generate` compiles the files into generated/field-maps.ts.
 */

/** The form that a value at a path must have in order to be stored; `token`, `reference` and `link` keep a part of it. */
export type Keeping = 'id' | 'word' | 'flag' | 'amount' | 'currency' | 'time' | 'token' | 'reference' | 'link'

export interface FieldRule {
  /** Where several are given, the first that is there. */
  from?: string | string[]
  transform: string[]
  template?: string
  /** Of a charge: what was authorised, and what of it was captured. */
  released?: { authorised: string; captured: string }
  /** Of an order: its total now, what of it is still owed, its refunds, and the transactions that gave their money back. */
  balance?: { total: string; owed: string; refunds: string; returned: string }
  /** Sums of money in both currencies of an order, which together are those that `returned` is about. */
  explained_by?: { plus: string[]; less: string[] }
  table?: Record<string, string>
  value?: string
  /** Amounts whose sum is taken off. */
  less?: string[]
  on_missing?: 'dead'
  /** A value that the transforms refuse is passed over. */
  skip_invalid?: true
}

export interface Test {
  from: string | string[]
  present?: boolean
  in?: (string | number | boolean)[]
  not_in?: (string | number | boolean)[]
  /** `in` and `not_in` hold where there is no value. Without it that leaves them open. */
  or_absent?: true
}

export type Condition = Test | { any: Test[] }

export interface Gift {
  event: string
  for_each?: string
  /** All hold, or there is no such event. */
  when?: Condition[]
  /** All hold, or the delivery contradicts its topic. */
  expect?: Condition[]
  /** All hold, or what it is about moved no money, or does so no longer. */
  counts_when?: Condition[]
  /** Where all hold, it stands before what it does not hold for, whatever the versions. */
  prevails_when?: Condition[]
  /** What it says of the list `list_key`: all of its items, their sum, or a claim that items settle. Without it, one of them. */
  list?: 'whole' | 'sum' | 'claim'
  fields: Record<string, FieldRule>
}

/** What a body says of the parts of its order. */
export interface PartsRule {
  /** All hold, or it is the next rule's. */
  when?: Condition[]
  fields: Record<string, FieldRule>
}

export interface SourceEvent {
  /** All hold, or the body is about another kind of thing than its topic. */
  expect?: Condition[]
  version?: FieldRule
  gives: Gift[]
  /** The first one whose conditions hold. */
  parts?: PartsRule[]
}

export interface VendorMap {
  vendor: string
  event_name: { from: string }
  ordering: { rule: 'commutative' | 'newest_version' }
  test_mode: { when?: Condition[] }
  ignored: Record<string, object>
  events: Record<string, SourceEvent>
}

export interface CanonicalFields {
  fields: Record<string, { required: boolean }>
}

/** What `applyFieldMap` needs. */
export interface Maps {
  canonical: { events: Record<string, CanonicalFields> }
  transforms: { transforms: Record<string, { many?: true; none?: true }> }
  vendors: Record<string, VendorMap>
}

export interface LedgerStates {
  /** The first one whose conditions hold is the state. */
  states: Record<string, { when: Record<string, string[]> }>
  transitions: readonly { from: string; event: string; to: string[] }[]
}

export interface CompiledMaps extends Maps {
  states: LedgerStates
  /** By vendor and topic, `*` for those that give no events: the paths into the body, beside which nothing is stored. */
  stored: Record<string, Record<string, Record<string, Keeping[]>>>
  /** By vendor: names of the headers, in lower case, that the paths name. */
  headers: Record<string, string[]>
}

/** As the contract gate has checked them when they were compiled. */
export const fieldMaps = compiled as CompiledMaps
