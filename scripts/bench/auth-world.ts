import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/config.ts'
import { createContext } from '../../src/main/context.ts'
import { setRateLimit } from '../../src/tenants/limits/service.ts'
import { createApiKey, createTenant, createUser } from '../../src/tenants/service.ts'
import { startEnvironment } from '../isolation/environment.ts'
import { fillForAuth, type Ids, type People } from './auth-rows.ts'
import type { Door, ServerMessage } from './auth-server.ts'

/** So many requests a minute that none of the bench's is refused: the most that a tenant can be given. */
const PER_MINUTE = 10_000_000

const OURS = 'bench-ours'
const OTHER = 'bench-other'

export interface Login {
  email: string
  password: string
}

export interface AuthWorld {
  urls: Record<Door, string>
  /** Another process with the same database. */
  elsewhere: string
  server: ChildProcess
  /** `http-client.ts`. */
  client: ChildProcess
  isPinned: boolean
  /** Of an admin of our tenant, by a real log-in. */
  accessToken: string
  admin: Login
  apiKey: string
  slug: string
  /** What the other tenant has. */
  foreign: Ids
  people: People
  stop(): Promise<void>
}

/** A Postgres of its own with two tenants, the API in a process of its own, and somebody who has logged in. */
export async function startWorld(say: (line: string) => void, people: number): Promise<AuthWorld> {
  const environment = await startEnvironment(say)
  const children: ChildProcess[] = []
  const stop = async () => {
    await Promise.all(children.map(end))
    await environment.stop()
  }
  try {
    say('filling the database')
    const env = {
      DATABASE_URL: environment.of('app_user'),
      SKELDIR_MASTER_KEY: randomBytes(32).toString('base64'),
      // Every attempt to log in comes from an address of its own, which the bench names as a proxy would.
      SKELDIR_TRUSTED_PROXIES: '127.0.0.1',
      LOG_LEVEL: 'silent',
    }
    const { admin, apiKey, ...tenants } = await provision(env)
    const rows = await fillForAuth(environment.admin, { ...tenants, people })
    say('starting the server')
    const isPinned = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0
    const start = (core: number, file: string, more: NodeJS.ProcessEnv = {}) => {
      const path = join(import.meta.dirname, file)
      const command = [...(isPinned ? ['taskset', '-c', String(core)] : []), process.execPath, path]
      const child = spawn(command[0] as string, command.slice(1), {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        // Nothing else of the environment: it may name another database.
        env: { PATH: process.env.PATH, NODE_ENV: 'production', ...more },
      })
      children.push(child)
      return child
    }
    const serve = async (core: number) => {
      const server = start(core, 'auth-server.ts', env)
      const { urls } = (await receive(server)) as Extract<ServerMessage, { urls: unknown }>
      return { server, urls }
    }
    const { server, urls } = await serve(0)
    return {
      urls,
      elsewhere: (await serve(1)).urls.real,
      server,
      client: start(1, 'http-client.ts'),
      isPinned,
      accessToken: await logIn(urls.real, admin),
      admin,
      apiKey,
      slug: OURS,
      foreign: rows.ids,
      people: rows.people,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function provision(env: Record<string, string>) {
  const ctx = createContext(loadConfig(env), 'app_rw', 'bench')
  try {
    const shop = { name: 'Benchmark', reportingCurrency: 'USD', timeZone: 'UTC' }
    const { tenantId: ours } = await createTenant(ctx, { slug: OURS, ...shop })
    const { tenantId: other } = await createTenant(ctx, { slug: OTHER, ...shop })
    const admin = await createUser(ctx, { tenantSlug: OURS, email: 'admin@bench.example', role: 'admin' })
    const { apiKey } = await createApiKey(ctx, { tenantSlug: OURS, name: 'Benchmark', scopes: ['events:write'] })
    for (const policy of ['default', 'ingest'])
      await setRateLimit(ctx, { tenantSlug: OURS, policy, perMinute: PER_MINUTE })
    return { ours, other, admin: { email: admin.email, password: admin.password as string }, apiKey }
  } finally {
    await ctx.close()
  }
}

/** The access token of a new session. */
export async function logIn(url: string, who: Login): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${url}/api/auth/login`, { method: 'POST', headers, body: JSON.stringify(who) })
  if (response.status !== 200) throw new Error(`the log-in was answered ${response.status}`)
  return ((await response.json()) as { access_token: string }).access_token
}

/** The next message of a child. Throws when it ends instead. */
export async function receive(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController()
  try {
    return await Promise.race([
      once(child, 'message', { signal: ended.signal }).then(([message]) => message),
      once(child, 'exit', { signal: ended.signal }).then(([code]) => {
        throw new Error(`a process of the bench ended with status ${code}`)
      }),
    ])
  } finally {
    ended.abort()
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
