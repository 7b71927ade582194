/** Error: the gate fails. Warning and notice are shown and change nothing. */
export type Severity = 'error' | 'warning' | 'notice'

/** A node of a source file, by JSON pointer (`#/paths/~1x/get`). */
export interface Place {
  /** Absolute. */
  file: string
  pointer: string
}

/** Lines and columns count from 1. */
export interface Position {
  /** Relative to the root, absolute outside it; with `/`. */
  file: string
  line: number
  column: number
}

export interface Finding extends Position {
  /** `<gate>/<name>`. */
  rule: string
  severity: Severity
  message: string
}

/** What a rule has found, before its place is looked up. */
export interface Fault {
  message: string
  at: Place | Position
  /** Default: error. */
  severity?: Severity
  /** Where one check finds several kinds of fault, as `<gate>/<name>`. Default: the rule that found it. */
  rule?: string
}

/** The tool cannot do its work: one sentence for the user, exit code 2. */
export class ToolError extends Error {
  override name = 'ToolError'
}

/** A file that is no YAML or JSON. */
export class SyntaxFault extends Error {
  override name = 'SyntaxFault'
  readonly position: Position

  constructor(message: string, position: Position) {
    super(message)
    this.position = position
  }
}
