import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { decoyHash } from '../auth/password.ts'
import type { Config } from '../config.ts'
import { closeServer, createServer } from '../http/bind.ts'
import { authenticators, createCorsPolicy, createLimits, handlers } from './app.ts'
import { createContext } from './context.ts'

export interface RunningApi {
  url: string
  /** Lets running requests finish, then closes the database pools. */
  stop(): Promise<void>
}

/** Starts the API. Does not wait for the database: liveness answers at once, readiness when the database does. */
export async function startApi(config: Config): Promise<RunningApi> {
  const ctx = createContext(config, 'app_user', 'api')
  const server = createServer(ctx, { handlers, authenticators, cors: createCorsPolicy(), limits: createLimits() })
  ctx.startAuthentication()
  // So that the first log-in of somebody unknown takes no longer than that of somebody known.
  await decoyHash()
  server.listen(config.port, config.host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const host = config.host.includes(':') ? `[${config.host}]` : config.host
  return {
    url: `http://${host}:${port}`,
    async stop() {
      await closeServer(server, 10_000)
      await ctx.close()
    },
  }
}
