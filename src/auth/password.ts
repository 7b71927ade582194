import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'
import { ProblemError } from '../problem/problem.ts'

const hash = promisify(argon2)

/** OWASP's second choice of argon2id parameters: 19 MiB, 2 passes, 1 lane. */
const MEMORY_KIB = 19_456
const PASSES = 2
const PARALLELISM = 1
const TAG_BYTES = 32

/** A hash takes 19 MiB and a core: more at once than cores would only let a flood of logins starve the rest. */
let free = availableParallelism()
/** Some seconds of waiting; who comes later would be gone before the answer. */
const MAX_WAITING = 60 * availableParallelism()
const waiting: (() => void)[] = []
let computed = 0

/** How many hashes this process has computed: what shows that two ways of failing cost the same. */
export function countHashes(): number {
  return computed
}

async function limited<T>(work: () => Promise<T>): Promise<T> {
  if (free > 0) free -= 1
  else if (waiting.length < MAX_WAITING) await new Promise<void>((resolve) => waiting.push(resolve))
  else throw new ProblemError('service_unavailable', 'Too many passwords are being checked. Try again shortly.')
  computed += 1
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next === undefined) free += 1
    else next()
  }
}

function derive(password: string, nonce: Buffer, memory: number, passes: number, parallelism: number): Promise<Buffer> {
  const message = Buffer.from(password.normalize('NFKC'))
  return limited(
    () => hash('argon2id', { message, nonce, memory, passes, parallelism, tagLength: TAG_BYTES }) as Promise<Buffer>,
  )
}

/** The PHC string of a password: `$argon2id$v=19$m=…,t=…,p=…$salt$tag` (RFC 9106). Throws `service_unavailable`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const tag = await derive(password, salt, MEMORY_KIB, PASSES, PARALLELISM)
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${PARALLELISM}$${base64(salt)}$${base64(tag)}`
}

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/**
 * Whether the password has this hash. A hash in another form is an error of ours and throws TypeError; throws
 * `service_unavailable` when too many wait already.
 */
export async function verifyPassword(password: string, phc: string): Promise<boolean> {
  const parts = PHC.exec(phc)
  if (parts === null) throw new TypeError('not an argon2id hash')
  const [, memory, passes, parallelism, salt, tag] = parts as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  const expected = Buffer.from(tag, 'base64')
  const actual = await derive(
    password,
    Buffer.from(salt, 'base64'),
    Number(memory),
    Number(passes),
    Number(parallelism),
  )
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}

/**
 * A hash of nothing anybody knows: verified for unknown users, so that the answer takes as long as for known ones. Made
 * once, by whoever asks first: a server asks before it listens. Throws `service_unavailable`, and is then made anew.
 */
let decoy: Promise<string> | undefined
export function decoyHash(): Promise<string> {
  decoy ??= hashPassword(randomBytes(32).toString('base64')).catch((error: unknown) => {
    decoy = undefined
    throw error
  })
  return decoy
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/={1,2}$/, '')
}
