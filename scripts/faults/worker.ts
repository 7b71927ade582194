import type { FaultRun } from './fault.ts'
import { toJson, toText } from './worker/report.ts'
import { killWorkers } from './worker/run.ts'

export const worker: FaultRun = {
  about: 'kill -9 of a worker in the middle of a job, and how soon another one runs it (about 20 s for each kill)',
  kills: { usual: 12, smoke: 2 },
  async run({ isJson, ...options }) {
    const report = await killWorkers(options)
    process.stdout.write(isJson ? toJson(report) : toText(report))
    return report.failures.length === 0 ? 0 : 1
  },
}
