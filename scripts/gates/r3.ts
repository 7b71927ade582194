import type { Gate } from './gate.ts'
import { toJson, toText } from './r3/report.ts'
import { proveIngestion } from './r3/run.ts'

/** Deliveries of a rung. */
const RUNGS = [50, 250, 1_000]
const SMOKE_RUNGS = [20]
const SUSTAINED = { ratePerS: 46, seconds: 60 }
const SMOKE_SUSTAINED = { ratePerS: 46, seconds: 5 }

export const r3: Gate = {
  about:
    'ingestion under fire: replay, unique, malformed, personal, two tenants, mixed and sustained load (about 4 minutes)',
  async run({ seed, isSmoke, isJson, say }) {
    const report = await proveIngestion({
      seed,
      rungs: isSmoke ? SMOKE_RUNGS : RUNGS,
      sustained: isSmoke ? SMOKE_SUSTAINED : SUSTAINED,
      say,
    })
    process.stdout.write(isJson ? toJson(report) : toText(report))
    return report.isPassed ? 0 : 1
  },
}
