import { setTimeout as sleep } from 'node:timers/promises'
import { decoyHash } from '../auth/password.ts'
import type { Config } from '../config.ts'
import { healthHandlers } from '../health/handlers.ts'
import { startDraining, startMonitors, stopMonitors } from '../health/service.ts'
import { closeServer, createProbeServer, createServer, loadContract } from '../http/bind.ts'
import { authenticators, createCorsPolicy, createLimits, createObserver, handlers } from './app.ts'
import { createContext } from './context.ts'
import { listenOn } from './listen.ts'
import { startTraces } from './traces.ts'

export interface RunningApi {
  url: string
  /** Of the probes alone; null where they have no port of their own. */
  probeUrl: string | null
  /** Is no longer ready, then takes nothing new, lets requests finish and closes the database pools; the probes end last. */
  stop(): Promise<void>
}

/** Starts the API. Does not wait for the database: liveness answers at once, readiness when the database does. */
export async function startApi(config: Config): Promise<RunningApi> {
  const ctx = createContext(config, 'app_user', 'api')
  const stopTraces = await startTraces(ctx, 'api')
  let isClosing = false
  const server = createServer(ctx, {
    handlers,
    authenticators,
    cors: createCorsPolicy(),
    limits: createLimits(),
    isClosing: () => isClosing,
    onAnswered: createObserver(ctx),
  })
  const { port: probePort } = config.probes
  const probes = probePort === null ? null : createProbeServer(ctx, loadContract(), healthHandlers)
  ctx.startAuthentication()
  startMonitors(ctx)
  // So that the first log-in of somebody unknown takes no longer than that of somebody known.
  await decoyHash()
  const probeUrl = probes && probePort !== null ? await listenOn(probes, probePort, config.host) : null
  return {
    url: await listenOn(server, config.port, config.host),
    probeUrl,
    async stop() {
      const { delayMs, graceMs } = config.shutdown
      startDraining(ctx)
      // A balancer keeps its connections for as long as it may: those that would be cut under a request end before.
      isClosing = true
      await sleep(delayMs)
      await closeServer(server, graceMs)
      stopMonitors(ctx)
      await Promise.all([ctx.close(), stopTraces()])
      if (probes !== null) await closeServer(probes, 0)
    },
  }
}
