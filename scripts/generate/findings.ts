/** Faults of the contract, one sentence each, with `file:line:column` where the place is known. */
export class GenerateError extends Error {
  override name = 'GenerateError'
  readonly findings: readonly string[]

  constructor(findings: readonly string[]) {
    super(findings.join('\n'))
    this.findings = findings
  }
}

/** Throws all faults at once, so that one run is enough to see them. */
export function throwFindings(findings: readonly string[]): void {
  if (findings.length > 0) throw new GenerateError([...new Set(findings)])
}
