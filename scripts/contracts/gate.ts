import type { CheckContext } from './context.ts'
import type { Fault, Finding } from './finding.ts'
import type { Profile } from './folder.ts'

export type { Profile }

export interface Rule {
  /** `<gate>/<name>`. */
  id: string
  gate: string
  /** One sentence for the table in api-contracts/README.md. */
  description: string
  /** Default: both. */
  profiles?: readonly Profile[]
  /** Runs only where nothing else in the gate has found an error: says in other words what another rule says better. */
  isFallback?: boolean
  check: (ctx: CheckContext) => Iterable<Fault> | Promise<Iterable<Fault>>
}

export interface Gate {
  name: string
  /** Says what a passed gate shows. */
  description: string
  profiles: readonly Profile[]
  /** Gates without which this one would only repeat their findings: it is skipped unless they pass. */
  needs: readonly string[]
  /** Files and folders that the result depends on, relative to the root. The documents always count. */
  inputs?: (ctx: CheckContext) => readonly string[]
  /** Whether the result depends on the day. */
  usesToday?: boolean
  /** Why there is nothing to check. */
  skip?: (ctx: CheckContext) => string | undefined
  rules: readonly Rule[]
  counts?: (ctx: CheckContext) => Counts | Promise<Counts>
}

export interface Counts {
  operations: number
  /** Documented statuses of all operations. */
  statuses: number
  /** Values that were held against a schema. */
  examples: number
}

export interface GateReport {
  name: string
  status: 'pass' | 'fail' | 'skipped'
  findings: Finding[]
  /** Of a skipped gate. */
  reason?: string
  duration_ms: number
  /** Nothing that the gate looks at has changed since it last ran. */
  cached: boolean
}

export interface CheckReport {
  gates: GateReport[]
  operations: number
  statuses: number
  examples: number
  duration_ms: number
}
