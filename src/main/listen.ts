import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createProcessProbes } from '../health/process-probes.ts'
import type { ProcessContext } from './context.ts'

/** Answers the URL; with the port 0 it is any free one. */
export async function listenOn(server: Server, port: number, host: string): Promise<string> {
  server.listen(port, host)
  await once(server, 'listening')
  const actual = (server.address() as AddressInfo).port
  return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`
}

export interface RunningProbes {
  /** Null where they have no port. */
  url: string | null
  startDraining(): void
  stop(): void
}

/** The probes of a process that takes no requests, on SKELDIR_PROBE_PORT. */
export async function startProbes(ctx: ProcessContext, isHeard?: () => boolean): Promise<RunningProbes> {
  const { host, probes } = ctx.config
  if (probes.port === null) return { url: null, startDraining() {}, stop() {} }
  const { server, startDraining } = createProcessProbes(ctx, isHeard === undefined ? {} : { isHeard })
  return {
    url: await listenOn(server, probes.port, host),
    startDraining,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
