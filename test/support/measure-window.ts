// Measures one window of one tenant in a process of its own, as the worker does.
//   DATABASE_URL=<as app_worker> node test/support/measure-window.ts <tenant-id> <window as JSON> [<seed>]
import { randomBytes, randomUUID } from 'node:crypto'
import { measureWindow } from '../../src/attribution/windows/service.ts'
import { loadConfig } from '../../src/config.ts'
import { createContext } from '../../src/main/context.ts'

const [tenantId = '', window = '', seed] = process.argv.slice(2)
const config = loadConfig({
  DATABASE_URL: process.env.DATABASE_URL,
  SKELDIR_MASTER_KEY: randomBytes(32).toString('base64'),
  SKELDIR_PUBLIC_URL: 'https://test.example',
  LOG_LEVEL: 'silent',
})
const worker = createContext(config, 'app_worker', 'test')
const ctx = {
  ...worker,
  tenantId,
  correlationId: randomUUID(),
  clientAddress: null,
  principal: { kind: 'worker', tenantId } as const,
}
await measureWindow(ctx, JSON.parse(window), {
  signal: new AbortController().signal,
  ...(seed !== undefined && { seed }),
})
await worker.close()
