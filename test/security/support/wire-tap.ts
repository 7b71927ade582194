import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'

/** Listens to all that clients send to a database server. */
export interface WireTap {
  /** `url` with this tap's address in place of the server's. */
  through: (url: string) => string
  /** Every byte of every connection, parameters included. */
  bytes: () => Buffer
  /** Texts of the statements. */
  statements: () => string[]
  close: () => Promise<void>
}

export async function openWireTap(serverUrl: string): Promise<WireTap> {
  const { hostname, port } = new URL(serverUrl)
  const connections: Buffer[][] = []
  const sockets = new Set<{ destroy: () => void }>()
  const server = createServer((inside) => {
    const outside = connect(Number(port), hostname)
    const chunks: Buffer[] = []
    connections.push(chunks)
    inside.on('data', (chunk) => chunks.push(chunk))
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
  return {
    through(url) {
      const own = new URL(url)
      own.hostname = '127.0.0.1'
      own.port = String((server.address() as AddressInfo).port)
      return own.href
    },
    bytes: () => Buffer.concat(connections.flat()),
    statements: () => connections.flatMap((chunks) => [...statementsIn(Buffer.concat(chunks))]),
    async close() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

/**
 * Of the messages Query (`Q`) and Parse (`P`: name, then text) of one connection, after its startup message, which has
 * no type. Source: https://www.postgresql.org/docs/18/protocol-message-formats.html
 */
function* statementsIn(bytes: Buffer): Iterable<string> {
  if (bytes.length < 4) return
  let at = bytes.readInt32BE(0)
  while (at + 5 <= bytes.length) {
    const type = String.fromCharCode(bytes[at] ?? 0)
    const end = at + 1 + bytes.readInt32BE(at + 1)
    const parts = bytes
      .subarray(at + 5, end)
      .toString()
      .split('\0')
    if (type === 'Q') yield parts[0] ?? ''
    if (type === 'P') yield parts[1] ?? ''
    at = end
  }
}
