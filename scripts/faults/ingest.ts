import type { FaultRun } from './fault.ts'
import { toJson, toText } from './ingest/report.ts'
import { breakIngestion } from './ingest/run.ts'

export const ingest: FaultRun = {
  about: 'kill -9 of the API and crashes of Postgres while vendors deliver and touchpoints come (about 4 minutes)',
  async run({ isJson, ...options }) {
    const report = await breakIngestion(options)
    process.stdout.write(isJson ? toJson(report) : toText(report))
    return report.faults.length === 0 ? 0 : 1
  },
}
