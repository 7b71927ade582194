import { resolve } from 'node:path'
import type { CheckContext } from './context.ts'
import type { Fault, Finding } from './finding.ts'
import type { Gate, Rule } from './gate.ts'

/** Runs the rules of a gate but those left out; faults come back with the lines where they are written. */
export async function runRules(ctx: CheckContext, gate: Gate, leftOut: readonly string[] = []): Promise<Finding[]> {
  const rules = gate.rules.filter(
    ({ id, profiles }) => (profiles === undefined || profiles.includes(ctx.profile)) && !leftOut.includes(id),
  )
  const findings: Finding[] = []
  const run = async (rule: Rule) => {
    for (const fault of await rule.check(ctx)) findings.push(toFinding(ctx, rule, fault))
  }
  for (const rule of rules) if (!rule.isFallback) await run(rule)
  for (const rule of rules) {
    if (rule.isFallback && !findings.some(({ severity }) => severity === 'error')) await run(rule)
  }
  return sortFindings(findings)
}

function toFinding(ctx: CheckContext, rule: Rule, { message, at, severity = 'error', rule: own }: Fault): Finding {
  const { file, line, column } = 'pointer' in at ? ctx.files.position(at) : at
  // `npm run generate` names every file from the root.
  const name = file.startsWith('../') ? ctx.files.name(resolve(ctx.root, file)) : file
  return { rule: own ?? rule.id, severity, message, file: name, line, column }
}

const ORDER = { error: 0, warning: 1, notice: 2 } as const

/** Errors first, then by place; the same said twice at one place is said once. */
export function sortFindings(findings: Finding[]): Finding[] {
  const key = ({ rule, file, line, column, message }: Finding) => `${rule} ${file} ${line} ${column} ${message}`
  const distinct = [...new Map(findings.map((finding) => [key(finding), finding])).values()]
  return distinct.sort(
    (a, b) =>
      ORDER[a.severity] - ORDER[b.severity] ||
      (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) ||
      a.line - b.line ||
      a.column - b.column,
  )
}

/** A finding of `npm run generate`, which writes `file:line:column message`. */
export function parseGenerateFinding(text: string): Fault {
  const [, file, line, column, message] = /^(\S.*?):(\d+):(\d+) (.*)$/s.exec(text) ?? []
  if (file === undefined) {
    const [, name = 'api-contracts/openapi/v1', rest = text] = /^(\S+\.(?:ya?ml|ts|js|json)) (.*)$/s.exec(text) ?? []
    return { message: rest, at: { file: name, line: 1, column: 1 } }
  }
  return { message: message ?? text, at: { file, line: Number(line), column: Number(column) } }
}
