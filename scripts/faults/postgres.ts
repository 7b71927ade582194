import type { FaultRun } from './fault.ts'
import { toJson, toText } from './postgres/report.ts'
import { takePostgresAway } from './postgres/run.ts'

export const postgres: FaultRun = {
  about:
    'Postgres away for a minute under load: no process ends, all goes on by itself, memory stays (about 3 minutes)',
  async run({ isJson, ...options }) {
    const report = await takePostgresAway(options)
    process.stdout.write(isJson ? toJson(report) : toText(report))
    return report.failures.length === 0 ? 0 : 1
  },
}
