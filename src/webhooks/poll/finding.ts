import type { Finding } from './queries.ts'

export function emptyFinding(topic: string): Finding {
  return { topic, seen: 0, listed: 0, missing: 0, recovered: 0, unreadable: 0, missingMinor: {} }
}

export function addMissing({ missingMinor }: Finding, currency: string, minor: bigint): void {
  const sum = (missingMinor[currency] ?? 0n) + minor
  if (sum === 0n) delete missingMinor[currency]
  else missingMinor[currency] = sum
}

/** One for each topic. */
export function sumFindings(findings: readonly Finding[]): Finding[] {
  const byTopic = Map.groupBy(findings, ({ topic }) => topic)
  return [...byTopic]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([topic, ofTopic]) => ofTopic.reduce(add, emptyFinding(topic)))
}

function add(sum: Finding, { missingMinor, ...next }: Finding): Finding {
  const total = { ...sum, missingMinor: { ...sum.missingMinor } }
  for (const name of COUNTS) total[name] += next[name]
  for (const [currency, minor] of Object.entries(missingMinor)) addMissing(total, currency, minor)
  return total
}

const COUNTS = ['seen', 'listed', 'missing', 'recovered', 'unreadable'] as const
