import type { Finding, Severity } from './finding.ts'
import type { CheckReport, GateReport } from './gate.ts'
import { toSarif } from './sarif.ts'

/** A report as text, with a line end. */
export const formats = {
  text: toText,
  github: toGithub,
  sarif: (report: CheckReport) => `${JSON.stringify(toSarif(report), null, 2)}\n`,
  junit: toJunit,
  json: (report: CheckReport) => `${JSON.stringify(report, null, 2)}\n`,
} satisfies Record<string, (report: CheckReport) => string>

export type Format = keyof typeof formats

export function isFormat(name: string): name is Format {
  return Object.hasOwn(formats, name)
}

/** Of one kind; more are counted. Somebody who reads hundreds of lines reads none. */
const MAX_NOTICES = 10

function toText(report: CheckReport): string {
  const lines = report.gates.flatMap(({ name, findings }) => {
    const errors = findings.filter(({ severity }) => severity !== 'notice')
    const notices = findings.filter(({ severity }) => severity === 'notice')
    const shown = [...errors, ...notices.slice(0, MAX_NOTICES)].map(
      ({ severity, file, line, column, message, rule }) =>
        `${file}:${line}:${column} ${severity}: ${message} [${rule}]`,
    )
    const rest = notices.length - MAX_NOTICES
    return rest > 0 ? [...shown, `${name}: ${rest} more notices`] : shown
  })
  const width = Math.max(...report.gates.map(({ name }) => name.length), 'gate'.length)
  const row = (cells: [string, string, string, string], note = '') =>
    `${cells[0].padEnd(width)}  ${cells[1].padEnd(7)}  ${cells[2].padStart(8)}  ${cells[3].padStart(6)}${note === '' ? '' : `  ${note}`}`
  const table = report.gates.map((gate) =>
    row(
      [gate.name, gate.status, String(gate.findings.length), gate.cached ? 'cached' : String(gate.duration_ms)],
      gate.reason,
    ),
  )
  return `${[
    ...lines,
    ...(lines.length > 0 ? [''] : []),
    row(['gate', 'status', 'findings', 'ms']),
    ...table,
    '',
    summary(report),
  ].join('\n')}\n`
}

function summary({ gates, operations, statuses, examples, duration_ms }: CheckReport): string {
  const count = (status: GateReport['status']) => gates.filter((gate) => gate.status === status).length
  const skipped = count('skipped')
  const verdict =
    count('fail') > 0 ? `${count('fail')} of ${gates.length} gates failed` : `${count('pass')} gates passed`
  return `${verdict}${skipped > 0 ? `, ${skipped} skipped` : ''}: ${operations} operations, ${statuses} statuses, ${examples} examples, ${(duration_ms / 1_000).toFixed(1)} s`
}

/** GitHub shows ten annotations of each kind per step and drops the rest, so errors come first and the rest is counted. */
const MAX_ANNOTATIONS = 10
const COMMANDS: Record<Severity, string> = { error: 'error', warning: 'warning', notice: 'notice' }

function toGithub(report: CheckReport): string {
  const findings = report.gates.flatMap((gate) => gate.findings)
  const lines = (['error', 'warning', 'notice'] as const).flatMap((severity) => {
    const all = findings.filter((finding) => finding.severity === severity)
    // The summary is an annotation too.
    const room = severity === 'notice' ? MAX_ANNOTATIONS - 1 : MAX_ANNOTATIONS
    return all.slice(0, room).map(annotation)
  })
  return `${[...lines, `::notice title=contracts:check::${escapeData(githubSummary(report, findings))}`].join('\n')}\n`
}

function githubSummary(report: CheckReport, findings: Finding[]): string {
  const hidden = (['error', 'warning', 'notice'] as const).flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length
    const room = severity === 'notice' ? MAX_ANNOTATIONS - 1 : MAX_ANNOTATIONS
    return count > room ? [`${count - room} more ${severity}s`] : []
  })
  return `${summary(report)}${hidden.length > 0 ? ` (not shown: ${hidden.join(', ')})` : ''}`
}

function annotation({ severity, file, line, column, rule, message }: Finding): string {
  const properties = [`file=${escapeProperty(file)}`, `line=${line}`, `col=${column}`, `title=${escapeProperty(rule)}`]
  return `::${COMMANDS[severity]} ${properties.join(',')}::${escapeData(message)}`
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}

/** A case for each gate, failed with nothing but a count, and one for each finding. */
function toJunit(report: CheckReport): string {
  const suites = report.gates.map((gate) => {
    const seconds = (gate.duration_ms / 1_000).toFixed(3)
    const failures = gate.findings.filter(({ severity }) => severity === 'error')
    const own =
      gate.status === 'skipped'
        ? `<skipped message="${escapeXml(gate.reason ?? '')}"/>`
        : gate.status === 'fail'
          ? `<failure message="${failures.length} findings"/>`
          : ''
    const cases = [
      `    <testcase classname="contracts.${gate.name}" name="${gate.name}" time="${seconds}">${own}</testcase>`,
      ...gate.findings.map((finding) => {
        const { severity, file, line, column, rule, message } = finding
        const where = `${file}:${line}:${column}`
        const body =
          severity === 'error'
            ? `<failure type="${escapeXml(rule)}" message="${escapeXml(message)}">${escapeXml(where)}</failure>`
            : `<system-out>${escapeXml(`${severity}: ${message}`)}</system-out>`
        return `    <testcase classname="contracts.${gate.name}" name="${escapeXml(`${rule} ${where}`)}" file="${escapeXml(file)}" line="${line}" time="0">${body}</testcase>`
      }),
    ]
    const total = failures.length + (gate.status === 'fail' ? 1 : 0)
    return `  <testsuite name="contracts.${gate.name}" tests="${cases.length}" failures="${total}" errors="0" skipped="${gate.status === 'skipped' ? 1 : 0}" time="${seconds}">\n${cases.join('\n')}\n  </testsuite>`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="contracts:check" time="${(report.duration_ms / 1_000).toFixed(3)}">\n${suites.join('\n')}\n</testsuites>\n`
}

function escapeXml(text: string): string {
  return (
    text
      // Characters that XML 1.0 cannot carry at all.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
      .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll('\n', '&#10;')
  )
}
