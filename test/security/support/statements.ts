import pg from 'pg'

/** Texts of the statements that this process has sent to any database since `record` was called. */
export interface Statements {
  /** Different texts. */
  seen: ReadonlySet<string>
  stop: () => void
}

/** Looks over the shoulder of the driver. Parameters are no part of a statement's text. */
export function recordStatements(): Statements {
  const seen = new Set<string>()
  const { prototype } = pg.Client
  const original = prototype.query
  prototype.query = function query(this: pg.Client, ...args: unknown[]) {
    const [first] = args
    const text = typeof first === 'string' ? first : (first as { text?: unknown } | undefined)?.text
    if (typeof text === 'string') seen.add(text)
    return (original as (...all: unknown[]) => unknown).apply(this, args)
  } as typeof original
  return {
    seen,
    stop: () => {
      prototype.query = original
    },
  }
}
