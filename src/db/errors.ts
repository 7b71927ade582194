/** SQLSTATE of an error that the server answered, or undefined. https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** 0A000 is more than a changed result, but never what a request is to be told; 26000, 42P05: the name is unknown, or taken. */
const STALE_PLAN: ReadonlySet<string> = new Set(['0A000', '26000', '42P05'])

/**
 * A statement that this connection has prepared no longer fits the schema, which a migration has changed: only another
 * connection can serve. https://www.postgresql.org/docs/current/sql-prepare.html
 */
export function isStalePlan(error: unknown): boolean {
  const state = sqlState(error)
  return state !== undefined && STALE_PLAN.has(state)
}

/** The data itself was refused (classes 22 and 23): trying again cannot help. */
export function isConstraintError(error: unknown): boolean {
  const state = sqlState(error)
  return state?.startsWith('22') === true || state?.startsWith('23') === true
}
