/** SQLSTATE of an error that the server answered, or undefined. https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** The data itself was refused (classes 22 and 23): trying again cannot help. */
export function isConstraintError(error: unknown): boolean {
  const state = sqlState(error)
  return state?.startsWith('22') === true || state?.startsWith('23') === true
}
