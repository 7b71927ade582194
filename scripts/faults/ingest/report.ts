import { median } from '../../bench/auth-turns.ts'
import { toTable } from '../../load/table.ts'

export interface Report {
  seed: number
  kills: { openRequests: number; backMs: number }[]
  restarts: { backMs: number }[]
  answers: Record<string, number>
  rows: { what: string; sent: number; acknowledged: number; stored: number; faults: string[] }[]
  faults: string[]
  tookMs: number
}

const MAX_FAULTS = 20

export function toText({ seed, kills, restarts, answers, rows, faults, tookMs }: Report): string {
  const backs = (list: readonly { backMs: number }[]) =>
    list.length === 0
      ? 'none'
      : `back after ${median(list.map(({ backMs }) => backMs)).toFixed(0)} ms, at most ${Math.max(...list.map(({ backMs }) => backMs)).toFixed(0)}`
  const open = kills.map(({ openRequests }) => openRequests)
  return [
    `faults ingest, seed ${seed}`,
    '',
    `kill -9 of the API       ${kills.length} times, ${backs(kills)}`,
    `  requests without an answer at that moment: ${open.length === 0 ? '-' : `median ${median(open)}, ${open.filter((count) => count > 0).length} times at least one`}`,
    `crash of Postgres        ${restarts.length} times, ${backs(restarts)}`,
    `answers                  ${Object.entries(answers)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([answer, count]) => `${answer}: ${count}`)
      .join(', ')}`,
    '',
    ...toTable(
      ['what', 'sent', 'acknowledged', 'there', 'lost or doubled', 'verdict'],
      rows.map((row) => [
        row.what,
        ...[row.sent, row.acknowledged, row.stored, row.faults.length].map(String),
        row.faults.length === 0 ? 'passed' : 'FAILED',
      ]),
      1,
    ),
    ...(faults.length === 0 ? [] : ['', ...faults.slice(0, MAX_FAULTS).map((fault) => `  ${fault}`)]),
    ...(faults.length > MAX_FAULTS ? [`  and ${faults.length - MAX_FAULTS} more`] : []),
    '',
    `${faults.length === 0 ? 'passed: lost 0, doubled 0' : 'FAILED'} in ${(tookMs / 1000).toFixed(0)} s`,
    '',
  ].join('\n')
}

export function toJson({ tookMs, ...report }: Report): string {
  return `${JSON.stringify({ passed: report.faults.length === 0, took_ms: Math.round(tookMs), ...report })}\n`
}
