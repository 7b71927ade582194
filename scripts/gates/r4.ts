import type { Gate } from './gate.ts'
import { proveWorkers } from './r4/run.ts'
import { toText } from './worker/yard.ts'

export const r4: Gate = {
  about:
    'failures of workers: poison, death between effect and completion, foreign tenants, runaways, privileges (about 4 minutes)',
  async run({ isSmoke, isJson, say }) {
    const began = performance.now()
    const findings = await proveWorkers({
      poison: 10,
      crashes: isSmoke ? 6 : 50,
      workers: 3,
      jobSeconds: isSmoke ? 5 : undefined,
      say,
    })
    const tookMs = performance.now() - began
    const isPassed = findings.every(({ faults }) => faults.length === 0)
    process.stdout.write(
      isJson ? `${JSON.stringify({ gate: 'r4', isPassed, findings, tookMs })}\n` : toText('r4', findings, tookMs),
    )
    return isPassed ? 0 : 1
  },
}
