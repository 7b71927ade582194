import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to a database server that can be shut, which to its users is as if the server were gone. */
export interface Door {
  /** `url` with this door's address in place of the server's. */
  through: (url: string) => string
  /** Ends all connections with a reset, and every further one until it is opened. */
  shut: () => void
  open: () => void
  /** Connections that are there carry nothing more, and nobody is told; new ones work. */
  hush: () => void
  close: () => Promise<void>
}

/**
 * Opens a door on a port of its own. While it is shut it goes on listening: a port that is given up may be somebody
 * else's by the time it is wanted again.
 */
export async function openDoor(serverUrl: string): Promise<Door> {
  const { hostname, port } = new URL(serverUrl)
  const sockets = new Set<Socket>()
  let isOpen = true
  const server = createServer((inside) => {
    if (!isOpen) {
      inside.resetAndDestroy()
      return
    }
    const outside = connect(Number(port), hostname)
    for (const [socket, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(socket)
      socket.setNoDelay(true).pipe(other)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const end = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    through(url) {
      const own = new URL(url)
      own.hostname = '127.0.0.1'
      own.port = String((server.address() as AddressInfo).port)
      return own.href
    },
    shut() {
      isOpen = false
      end()
    },
    open() {
      isOpen = true
    },
    hush() {
      for (const socket of sockets) socket.unpipe().pause()
    },
    async close() {
      server.close()
      end()
      await once(server, 'close')
    },
  }
}
