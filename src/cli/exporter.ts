import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { loadMetricsConfig } from '../config.ts'
import { createExporter } from '../metrics/exporter.ts'
import { readLocalPlatform, UsageError } from './environment.ts'
import { listenForInterrupt } from './interrupt.ts'
import { exitWithParent } from './supervised.ts'

/**
 * Serves the figures of the workers of this host until it is told to stop: those of `npm start` where the environment names
 * no others. Needs neither the database nor a key.
 */
export async function runExporter(env: NodeJS.ProcessEnv = process.env): Promise<never> {
  const { folder, token, exporter } = loadMetricsConfig({ ...readLocalPlatform(env), ...env })
  if (folder === null) throw new UsageError('SKELDIR_METRICS_FOLDER is not set: there is nothing to export')
  const { stop } = listenForInterrupt()
  exitWithParent()
  const server = await createExporter({ folder, token })
  server.listen(exporter.port, exporter.host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const host = exporter.host.includes(':') ? `[${exporter.host}]` : exporter.host
  console.error(`metrics of workers on http://${host}:${port}/metrics`)
  if (!stop.aborted) await once(stop, 'abort')
  server.close()
  server.closeAllConnections()
  process.exit(0)
}
