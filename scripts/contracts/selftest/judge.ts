import { join } from 'node:path'
import type { CheckReport } from '../gate.ts'
import { runChecks } from '../run.ts'
import { copyWithEdits, removeFolder } from './copy.ts'
import type { Fault, Verdict } from './operator.ts'

/** Notice periods are counted from here, so that the same seed gives the same faults and findings on every day. */
export const TODAY = '2026-11-21'

/** Only warns, and takes longer than all other rules of the documents together. */
export const LEFT_OUT = ['breaking/second-opinion']

/** Plants a fault in a copy of its own, runs the gates there, and compares what they find with what they must find. */
export async function judgeFault(fault: Fault, pristine: string, folder: string): Promise<Verdict> {
  const startedAt = performance.now()
  const root = join(folder, fault.id)
  const done = (reason: string | null, message: string | null = null): Verdict => ({
    id: fault.id,
    isCaught: reason === null,
    reason,
    message,
    durationMs: Math.round(performance.now() - startedAt),
  })
  try {
    copyWithEdits(pristine, root, fault.edits)
    const report = await runChecks({ root, gates: fault.gates, leaveOut: LEFT_OUT, today: TODAY })
    return done(...judge(fault, report))
  } catch (error) {
    return done(`the check itself failed: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    removeFolder(root)
  }
}

/** Why the fault was missed or taken for another, and what was said at its place. */
export function judge(
  { gate, rule, at, follows }: Pick<Fault, 'gate' | 'rule' | 'at' | 'follows'>,
  { gates }: CheckReport,
): [reason: string | null, message: string | null] {
  const report = gates.find(({ name }) => name === gate)
  if (report === undefined) return [`the gate ${gate} did not run`, null]
  const others = gates.filter(({ name, status }) => name !== gate && status === 'fail' && follows[name] === undefined)
  const [other] = others
  const said = other?.findings.find(({ severity }) => severity === 'error')
  const elsewhere =
    other === undefined
      ? ''
      : `${others.map(({ name }) => name).join(', ')} failed${said === undefined ? '' : ` (${said.file}:${said.line} ${said.rule}: ${said.message})`}`
  if (report.status === 'skipped') return [`the gate ${gate} was skipped: ${report.reason}; ${elsewhere}`, null]
  const errors = report.findings.filter(({ severity }) => severity === 'error')
  const found = errors.filter((finding) => finding.rule === rule)
  const there = found.find(({ file, line }) => file === at.file && line === at.line)
  if (there !== undefined) return [elsewhere === '' ? null : `not only ${gate}: ${elsewhere}`, there.message]
  const tail = elsewhere === '' ? '' : `; ${elsewhere}`
  const [wrong] = found
  if (wrong !== undefined) {
    return [`wrong place: ${rule} points to ${wrong.file}:${wrong.line} (${wrong.message})${tail}`, null]
  }
  const [error] = errors
  if (error !== undefined) {
    return [`wrong rule: ${error.rule} says at ${error.file}:${error.line}: ${error.message}${tail}`, null]
  }
  return [`not caught: ${gate} passes${tail}`, null]
}
