import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { findPortOwner } from './port-owner.ts'

/** A port that could not be opened. */
export interface FailedPort {
  /** `gateway` for the port that serves all domains. */
  domain: string
  port: number
  /** A sentence for people: the port, and who holds it. */
  message: string
}

/** Opens the port (0: any that is free) and returns its URL, or what is in the way. */
export async function listen(
  server: Server,
  at: { domain: string; host: string; port: number },
): Promise<string | FailedPort> {
  const { domain, host, port } = at
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    return { domain, port, message: describe(error as NodeJS.ErrnoException, at) }
  }
  const { port: opened } = server.address() as AddressInfo
  return `http://${toUrlHost(host)}:${opened}`
}

/** All interfaces are reached by the loopback name; an IPv6 address stands in brackets. */
function toUrlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}

function describe(error: NodeJS.ErrnoException, at: { domain: string; host: string; port: number }): string {
  const { domain, host, port } = at
  if (error.code === 'EADDRINUSE') {
    const owner = findPortOwner(port)
    const held = owner === undefined ? 'a process that could not be found out' : owner
    return `port ${port} of ${domain} is taken by ${held}: end that process, and start the mocks again`
  }
  if (error.code === 'EACCES') return `port ${port} of ${domain} may not be opened by this user`
  if (error.code === 'EADDRNOTAVAIL')
    return `${host} is not an address of this machine, so ${domain} has no port ${port}`
  return `port ${port} of ${domain} cannot be opened: ${error.message}`
}
