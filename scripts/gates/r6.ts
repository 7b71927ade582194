import type { Gate } from './gate.ts'
import { proveLimits } from './r6/run.ts'
import { toText } from './worker/yard.ts'

export const r6: Gate = {
  about: 'limits of workers: present at run time, time-outs, bounded retries, recycling, fairness (about 1 minute)',
  async run({ isJson, say }) {
    const began = performance.now()
    const findings = await proveLimits(say)
    const tookMs = performance.now() - began
    const isPassed = findings.every(({ faults }) => faults.length === 0)
    process.stdout.write(
      isJson ? `${JSON.stringify({ gate: 'r6', isPassed, findings, tookMs })}\n` : toText('r6', findings, tookMs),
    )
    return isPassed ? 0 : 1
  },
}
