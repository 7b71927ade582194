import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** `pid 4711 (node server.js)`; undefined where it cannot be found out: not Linux, or a process of another user. */
export function findPortOwner(port: number): string | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const inodes = listListeners(port)
    if (inodes.size === 0) return undefined
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      if (holdsOneOf(pid, inodes)) return `pid ${pid} (${commandOf(pid)})`
    }
  } catch {
    // Without /proc there is nothing to say.
  }
  return undefined
}

/** Inodes of the sockets that listen on the port, whatever their address. Columns: `man 5 proc`, /proc/net/tcp. */
function listListeners(port: number): Set<string> {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  const inodes = new Set<string>()
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of read(file).split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
      // 0A: LISTEN.
      if (state === '0A' && local.endsWith(`:${wanted}`) && inode !== undefined) inodes.add(inode)
    }
  }
  return inodes
}

function holdsOneOf(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1]
      return inode !== undefined && inodes.has(inode)
    })
  } catch {
    // Gone, or of another user.
    return false
  }
}

/** Characters of a command line that are worth reading. */
const MAX_COMMAND = 120

function commandOf(pid: string): string {
  const words = read(`/proc/${pid}/cmdline`).split('\0').join(' ').trim()
  const text = words === '' ? read(`/proc/${pid}/comm`).trim() : words
  return text.length <= MAX_COMMAND ? text : `${text.slice(0, MAX_COMMAND)}…`
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
