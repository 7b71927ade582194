import { once } from 'node:events'
import { createServer } from 'node:net'
import { StartError } from './start-error.ts'

const DEFAULT_PORT = 8000
/** How many ports after the default are tried when that is taken. */
const PORT_ATTEMPTS = 100

/** PORT, where it is set. Throws StartError. */
export function readPort(env: NodeJS.ProcessEnv): number | undefined {
  const text = env.PORT
  return text ? toPort(text, 'PORT') : undefined
}

/** Throws StartError with `name`. */
export function toPort(text: string, name: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new StartError(`${name} is ${JSON.stringify(text)}: a whole number from 0 to 65535 is meant.`)
}

/** `asked`, or the default or the next free one. Throws StartError when it is taken. */
export async function choosePort(
  host: string,
  asked: number | undefined,
  note: (line: string) => void,
): Promise<number> {
  if (asked !== undefined) {
    const port = await tryPort(host, asked)
    if (port === null)
      throw new StartError(`Port ${asked} is taken. Free it, name another one, or leave PORT unset to get a free one.`)
    return port
  }
  for (let port = DEFAULT_PORT; port < DEFAULT_PORT + PORT_ATTEMPTS; port++) {
    if ((await tryPort(host, port)) === null) continue
    if (port !== DEFAULT_PORT) note(`Port ${DEFAULT_PORT} is taken, so the API uses ${port}.`)
    return port
  }
  throw new StartError(`The ports from ${DEFAULT_PORT} to ${DEFAULT_PORT + PORT_ATTEMPTS - 1} are all taken.`)
}

/** The port when it is free (any free one for 0), null when it is taken. */
export async function tryPort(host: string, port: number): Promise<number | null> {
  const probe = createServer().listen({ host, port, exclusive: true })
  try {
    await once(probe, 'listening')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') return null
    throw new StartError(`The API cannot listen on ${host}, port ${port} (${code}).`, { cause: error })
  }
  const { port: free } = probe.address() as { port: number }
  probe.close()
  await once(probe, 'close')
  return free
}

/** The address to call a server at that listens on `host`. */
export function toCallable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
