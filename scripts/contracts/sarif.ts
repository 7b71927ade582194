import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Finding, Severity } from './finding.ts'
import type { CheckReport } from './gate.ts'
import { gates } from './gates.ts'

const LEVELS: Record<Severity, 'error' | 'warning' | 'note'> = { error: 'error', warning: 'warning', notice: 'note' }

/** SARIF 2.1.0. Paths are relative to the root of the repository, as code scanning wants them. */
export function toSarif(report: CheckReport): object {
  const findings = report.gates.flatMap((gate) => gate.findings)
  const described = new Map(gates.flatMap(({ rules }) => rules.map(({ id, description }) => [id, description])))
  const ids = [...new Set([...described.keys(), ...findings.map(({ rule }) => rule)])]
  const index = new Map(ids.map((id, position) => [id, position]))
  return {
    $schema: 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'contracts:check',
            informationUri: 'https://spec.openapis.org/oas/v3.1.1',
            rules: ids.map((id) => ({
              id,
              shortDescription: { text: described.get(id) ?? `The rule ${id} of Redocly.` },
              defaultConfiguration: { level: 'error' },
            })),
          },
        },
        columnKind: 'utf16CodeUnits',
        originalUriBaseIds: { ROOT: { description: { text: 'The root of the repository.' } } },
        invocations: [{ executionSuccessful: true }],
        results: findings.map((finding) => toResult(finding, index.get(finding.rule) ?? 0)),
      },
    ],
  }
}

function toResult({ rule, severity, message, file, line, column }: Finding, ruleIndex: number): object {
  return {
    ruleId: rule,
    ruleIndex,
    level: LEVELS[severity],
    message: { text: message },
    locations: [
      {
        physicalLocation: {
          artifactLocation: toArtifact(file),
          region: { startLine: line, startColumn: column },
        },
      },
    ],
  }
}

function toArtifact(file: string): object {
  if (isAbsolute(file)) return { uri: pathToFileURL(file).href }
  return { uri: file.split('/').map(encodeURIComponent).join('/'), uriBaseId: 'ROOT' }
}
