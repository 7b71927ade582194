import type { FaultRun } from './fault.ts'
import { toJson, toText } from './health/report.ts'
import { breakHealth } from './health/run.ts'

export const health: FaultRun = {
  about:
    'how soon the probes tell each fault and its end, and whether they tell one where there is none (about 4 minutes)',
  async run({ seed, isSmoke, isJson, say }) {
    const report = await breakHealth({ seed, isSmoke, say })
    process.stdout.write(isJson ? toJson(report) : toText(report))
    return report.failures.length === 0 ? 0 : 1
  },
}
