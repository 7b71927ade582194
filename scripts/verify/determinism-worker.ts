// What `npm run verify -- determinism` compares: a process as the worker is, that publishes what some tenants have stored.
//   DATABASE_URL=… SKELDIR_MASTER_KEY=… node scripts/verify/determinism-worker.ts < ids-one-in-a-line
import { randomUUID } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { bringUpToDate } from '../../src/attribution/engine/service.ts'
import { loadConfig } from '../../src/config.ts'
import { createContext } from '../../src/main/context.ts'

const tenantIds = (await text(process.stdin)).split('\n').filter((line) => line !== '')
const worker = createContext(loadConfig(process.env), 'app_worker', 'determinism')
for (const tenantId of tenantIds) {
  const principal = { kind: 'worker', tenantId } as const
  const ctx = { ...worker, tenantId, correlationId: randomUUID(), clientAddress: null, principal }
  await bringUpToDate(ctx, new AbortController().signal)
}
await worker.close()
