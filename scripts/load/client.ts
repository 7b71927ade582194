import { connect, type Socket } from 'node:net'

/** What became of one attempt. */
export interface Outcome {
  /** Null when no answer came. */
  status: number | null
  /** Why none came: `timed out`, or the system's code such as ECONNREFUSED. */
  failure: string | null
  /** The body, where it is JSON. */
  body: Record<string, unknown> | null
  /** Seconds, where the answer says when to come again. */
  retryAfterS: number | null
  latencyMs: number
}

export interface Sent {
  method?: 'GET' | 'POST'
  path: string
  headers?: Readonly<Record<string, string>>
  body?: Buffer
}

export interface Client {
  /** One attempt, whatever comes of it. Never rejects. */
  send: (request: Sent, timeoutMs?: number) => Promise<Outcome>
  close: () => void
}

/** As long as Shopify waits, which is the least patient of the vendors. */
const TIMEOUT_MS = 5_000

/**
 * An HTTP/1.1 client that leaves the processor to the server: a request costs it a tenth of what it costs `node:http`.
 * Connections stay open, at most `width`; whatever comes beyond waits for one. It knows what our API answers, and so no
 * chunks, redirects or compression.
 */
export function openClient(url: string, width: number): Client {
  const { hostname, port } = new URL(url)
  const idle: Line[] = []
  const waiting: ((line: Line) => void)[] = []
  let open = 0
  let isClosed = false

  function dial(): Line {
    open += 1
    return createLine(connect({ host: hostname, port: Number(port), noDelay: true }), (line) => {
      open -= 1
      const index = idle.indexOf(line)
      if (index !== -1) idle.splice(index, 1)
      if (waiting.length > 0 && !isClosed) waiting.shift()?.(dial())
    })
  }

  function take(): Line | Promise<Line> {
    const line = idle.pop()
    if (line !== undefined) return line
    if (open < width) return dial()
    return new Promise((resolve) => waiting.push(resolve))
  }

  function giveBack(line: Line): void {
    if (line.isEnded()) return
    const next = waiting.shift()
    if (next === undefined) idle.push(line)
    else next(line)
  }

  async function attempt(bytes: Buffer, timeoutMs: number): Promise<Omit<Outcome, 'latencyMs'>> {
    const taken = take()
    const line = taken instanceof Promise ? await taken : taken
    const answer = await line.exchange(bytes, timeoutMs)
    giveBack(line)
    // The server closed an idle connection just then, which says nothing about the request.
    if (answer === 'stale') return isClosed ? failed('closed') : attempt(bytes, timeoutMs)
    return answer
  }

  return {
    async send(request, timeoutMs = TIMEOUT_MS) {
      const bytes = toBytes(request, `${hostname}:${port}`)
      const began = performance.now()
      const answer = await attempt(bytes, timeoutMs)
      return { ...answer, latencyMs: performance.now() - began }
    },
    close() {
      isClosed = true
      for (const line of [...idle]) line.end()
    },
  }
}

export function toBytes({ method = 'POST', path, headers = {}, body }: Sent, host: string): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = body === undefined ? '' : `Content-Length: ${body.length}\r\n`
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}${length}\r\n`)
  return body === undefined ? head : Buffer.concat([head, body])
}

type Answer = Omit<Outcome, 'latencyMs'>

function failed(failure: string): Answer {
  return { status: null, failure, body: null, retryAfterS: null }
}

interface Line {
  exchange: (bytes: Buffer, timeoutMs: number) => Promise<Answer | 'stale'>
  isEnded: () => boolean
  end: () => void
}

function createLine(socket: Socket, onEnd: (line: Line) => void): Line {
  let received: Buffer | null = null
  let uses = 0
  let isEnded = false
  let failure = 'closed'
  let settle: ((answer: Answer | 'stale') => void) | null = null

  const finish = (answer: Answer | 'stale') => {
    const done = settle
    settle = null
    received = null
    done?.(answer)
  }
  socket.on('data', (chunk: Buffer) => {
    if (settle === null) return
    received = received === null ? chunk : Buffer.concat([received, chunk])
    const answer = readAnswer(received)
    if (answer === null) return
    if (answer.isLast) end()
    finish(answer)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure = error.code ?? error.message
  })
  const line: Line = {
    exchange(bytes, timeoutMs) {
      uses += 1
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          failure = 'timed out'
          socket.destroy()
        }, timeoutMs)
        settle = (answer) => {
          clearTimeout(timer)
          resolve(answer)
        }
        if (isEnded) finish(failed(failure))
        else socket.write(bytes)
      })
    },
    isEnded: () => isEnded,
    end,
  }
  function end(): void {
    if (isEnded) return
    isEnded = true
    socket.destroy()
    onEnd(line)
  }
  socket.on('close', () => {
    end()
    const isStale = uses > 1 && received === null && failure !== 'timed out'
    if (settle !== null) finish(isStale ? 'stale' : failed(failure))
  })
  return line
}

const END_OF_HEAD = Buffer.from('\r\n\r\n')

/** Null while it is not complete. */
function readAnswer(bytes: Buffer): (Answer & { isLast: boolean }) | null {
  const end = bytes.indexOf(END_OF_HEAD)
  if (end === -1) return null
  const head = bytes.toString('latin1', 0, end + 2)
  const length = Number(/\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1] ?? 0)
  const start = end + END_OF_HEAD.length
  if (bytes.length < start + length) return null
  const retryAfter = /\r\nretry-after: *(\d+)\r\n/i.exec(head)?.[1]
  return {
    status: Number(head.slice(9, 12)),
    failure: null,
    body: readJson(bytes.toString('utf8', start, start + length)),
    retryAfterS: retryAfter === undefined ? null : Number(retryAfter),
    isLast: /\r\nconnection: *close\r\n/i.test(head),
  }
}

function readJson(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
