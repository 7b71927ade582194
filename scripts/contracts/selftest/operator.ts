import type { Json } from '../../generate/json.ts'
import type { CheckContext } from '../context.ts'
import type { Place } from '../finding.ts'

/** Which copy of the repository a fault is planted in. */
export type Base =
  /** As it is. */
  | 'clean'
  /** As version 1.0.0 would be: no drafts, and a baseline of its own. Before that, nothing that breaks callers is an error. */
  | 'frozen'

/** A way to spoil the contract or what belongs to it. */
export interface Operator {
  id: string
  /** What somebody did wrong, as half a sentence. */
  what: string
  gate: string
  /** `<gate>/<name>`: the rule that must catch it. */
  rule: string
  /** Default: clean. */
  base?: Base
  /** Default: those that look at documents. */
  gates?: readonly string[]
  /** Gates that cannot but fail as well, with the reason. */
  follows?: Readonly<Record<string, string>>
  /** How often it is planted where there are targets enough. Default: 1. */
  times?: number
  /** Everything that can be spoiled in this way. */
  targets: (bench: Bench) => Target[]
}

export interface Target {
  /** The document or other file that the fault is in, relative to the root. */
  file: string
  /** What is spoiled: `getTenant 200`. */
  name: string
  /** Spoils it, and says where the finding must point. */
  plant: (draft: Draft) => PlantedAt
}

export type PlantedAt =
  /** The line of the key or item once the fault is planted. */
  Place | { file: string; line: number }

/** What targets are looked for in. */
export interface Bench {
  /** Of the pristine copy. */
  ctx: CheckContext
  /** The text of a file, relative to the root; empty where there is none. */
  read: (file: string) => string
}

/** The files that a fault changes. Places are those of the pristine copy; lines are those of the text as it is now. */
export interface Draft {
  set(at: Place, value: Json): void
  insert(map: Place, key: string, value: Json): void
  remove(at: Place): void
  rename(at: Place, key: string): void
  append(list: Place, value: Json): void
  removeItem(at: Place): void
  /** Of any text file. Throws where `from` is not in it. Returns the line of the replacement. */
  replace(file: string, from: string | RegExp, to: string): { file: string; line: number }
  /** Makes or overwrites a file. */
  write(file: string, text: string): void
  delete(file: string): void
  /** As it is now. */
  read(file: string): string
  lineAt(at: Place): { file: string; line: number }
}

/** A fault that waits to be checked. */
export interface Fault {
  /** Of the operator, with a number from the second target on. */
  id: string
  operator: string
  what: string
  target: string
  file: string
  base: Base
  gate: string
  rule: string
  gates: readonly string[]
  follows: Readonly<Record<string, string>>
  /** By path below the root; null: the file is deleted. */
  edits: Readonly<Record<string, string | null>>
  at: { file: string; line: number }
}

export interface Verdict {
  id: string
  isCaught: boolean
  /** Why not. */
  reason: string | null
  /** What the rule said there. */
  message: string | null
  durationMs: number
}
