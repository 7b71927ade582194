import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { run, startApart } from '../support/apart.ts'
import { type TestPlatform, until, usePlatform } from '../support/platform.ts'
import { givenShop } from '../support/worker.ts'

const platform = usePlatform()

const envOf = ({ config, database }: TestPlatform, own: Record<string, string> = {}) => ({
  DATABASE_URL: database.urlOf('app_user'),
  SKELDIR_MASTER_KEY: config.masterKeys[0]?.toString('base64') as string,
  PORT: '0',
  SKELDIR_PROBE_PORT: '0',
  ...own,
})

async function startServe(own: Record<string, string>) {
  const api = await startApart(['src/cli/main.ts', 'serve'], /probes on (http:\S+)/, { env: envOf(platform, own) })
  onTestFinished(api.kill)
  return { ...api, url: /listening on (http:\S+)/.exec(api.output())?.[1] as string, probes: api.told }
}

/** A request whose body is not all there yet. */
async function startRequest(url: string) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  let answer = ''
  socket.setEncoding('utf8').on('data', (chunk) => {
    answer += chunk
  })
  socket.on('error', () => {})
  await once(socket, 'connect')
  const head = ['POST /api/auth/login HTTP/1.1', `Host: ${hostname}`, 'Content-Type: application/json']
  socket.write(`${[...head, 'Content-Length: 2', 'Expect: 100-continue'].join('\r\n')}\r\n\r\n`)
  await until(
    async () => answer,
    (text) => text.includes('100 Continue'),
  )
  return { answer: () => answer, finish: () => socket.write('{}') }
}

const statusOf = (url: string) =>
  fetch(url).then(
    ({ status }) => status,
    () => 'refused',
  )

test('serve that is to stop says so first, and still takes requests for as long as balancers are given', async () => {
  const api = await startServe({ SKELDIR_SHUTDOWN_DELAY_MS: '60000' })
  await until(
    () => statusOf(`${api.url}/health/ready`),
    (status) => status === 200,
  )
  api.signal('SIGTERM')
  await until(
    () => statusOf(`${api.url}/health/ready`),
    (status) => status === 503,
  )
  expect(await statusOf(`${api.url}/health/live`)).toBe(200)
  expect(await statusOf(`${api.url}/api/health`)).toBe(200)
})

test('meanwhile each connection ends with an answer, so that none is cut under a request', async () => {
  const api = await startServe({ SKELDIR_SHUTDOWN_DELAY_MS: '1000' })
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  onTestFinished(() => agent.destroy())
  let requests = 0
  const callUntilRefused = async () => {
    for (;;) {
      const said = await getKept(`${api.url}/health/live`, agent)
      if (typeof said === 'string') return said
      expect(said).toBe(200)
      requests += 1
    }
  }
  const callers = Array.from({ length: 8 }, callUntilRefused)
  await until(
    async () => requests,
    (made) => made >= 80,
  )
  expect(await api.stop()).toBe(0)
  expect(await Promise.all(callers)).toEqual(Array.from({ length: 8 }, () => 'refused'))
})

/** The status, or what became of the connection: one that nobody has taken yet may be refused in either way. */
function getKept(url: string, agent: Agent): Promise<number | 'refused' | 'cut'> {
  return new Promise((resolve) => {
    const request = get(url, { agent }, (answer) => answer.resume().on('end', () => resolve(answer.statusCode ?? 0)))
    request.on('error', () => resolve(request.reusedSocket ? 'cut' : 'refused'))
  })
}

test('it answers what it has begun, takes nothing new, and ends with 0', async () => {
  const api = await startServe({})
  const request = await startRequest(api.url)
  api.signal('SIGTERM')
  await until(
    () => statusOf(`${api.url}/health/live`),
    (status) => status === 'refused',
  )
  request.finish()
  expect(await api.ended).toBe(0)
  expect(request.answer()).toContain('HTTP/1.1 422 ')
})

test('a request that does not end holds it up no longer than it may take', async () => {
  const api = await startServe({ SKELDIR_SHUTDOWN_MS: '100' })
  const request = await startRequest(api.url)
  expect(await api.stop()).toBe(0)
  expect(request.answer()).not.toContain('HTTP/1.1 4')
})

test('who tells it a second time, a second later, does not wait', async () => {
  const api = await startServe({ SKELDIR_SHUTDOWN_MS: '600000' })
  await startRequest(api.url)
  // Twice within a second is one Ctrl-C, of the terminal and of npm.
  const telling = setInterval(() => api.signal('SIGTERM'), 200)
  onTestFinished(() => clearInterval(telling))
  expect(await api.ended).toBe(1)
})

/** A worker with a job of its shop in its middle, which goes on when `release` is called. */
async function startBusyWorker(own: Record<string, string>) {
  const tenant = await platform.createTenant()
  const worker = await startApart(['src/cli/main.ts', 'worker'], /takes jobs/, { env: envOf(platform, own) })
  onTestFinished(worker.kill)
  const client = new pg.Client({ connectionString: platform.database.adminUrl })
  await client.connect()
  onTestFinished(() => client.end())
  const shop = await givenShop(platform, tenant)
  await client.query('begin')
  await client.query('lock table ledger_entries in exclusive mode')
  await shop.send([{ kind: 'charge', order: tenant.slug, visitor: null, at: new Date(), amount: 1_999 }])
  const findJob = async () =>
    (
      await platform.query<{ state: string; attempts: number }>(
        `select state::text, retry_count as attempts from pgboss.job
         where name = 'webhook' and data ->> 'tenantId' = $1`,
        [tenant.tenantId],
      )
    )[0]
  await until(findJob, (job) => job?.state === 'active')
  return { worker, findJob, release: () => client.query('commit') }
}

test('a worker that is to stop finishes its jobs, once, and ends with 0', async () => {
  const { worker, findJob, release } = await startBusyWorker({})
  worker.signal('SIGTERM')
  await release()
  expect(await worker.ended).toBe(0)
  expect(await findJob()).toEqual({ state: 'completed', attempts: 0 })
})

test('a job that does not end in time goes to another worker', async () => {
  const { worker, findJob, release } = await startBusyWorker({ SKELDIR_SHUTDOWN_MS: '100' })
  worker.signal('SIGTERM')
  expect([0, 1]).toContain(await worker.ended)
  await release()
  expect(await findJob()).not.toMatchObject({ state: 'completed' })
  const other = await startApart(['src/cli/main.ts', 'worker'], /takes jobs/, { env: envOf(platform) })
  onTestFinished(other.kill)
  await until(findJob, (job) => job?.state === 'completed', 40_000)
  expect(await other.stop()).toBe(0)
})

test('one that is told while it starts ends too', async () => {
  const { pid, ended, signal } = await startApart(['src/cli/main.ts', 'worker'], /takes jobs/, { env: envOf(platform) })
  signal('SIGINT')
  expect(await ended).toBe(0)
  await expect(sleep(0).then(() => process.kill(pid, 0))).rejects.toThrow('ESRCH')
})

test.each(['serve', 'worker', 'scheduler', 'exporter', 'migrate'])(
  'skeldir %s --help says what it does',
  async (name) => {
    const { status, stdout } = await run(['src/cli/main.ts', name, '--help'])
    expect(status).toBe(0)
    expect(stdout).toMatch(new RegExp(`^skeldir ${name}\\n`))
    if (name !== 'migrate') expect(stdout).toContain('SIGTERM')
  },
)

test('one that cannot start says why, and ends', async () => {
  const api = await startServe({})
  const env = envOf(platform, { PORT: new URL(api.url).port })
  const { status, stderr } = await run(['src/cli/main.ts', 'serve'], { env })
  expect([status, stderr]).toEqual([1, expect.stringContaining('EADDRINUSE')])
})

test('a wrong option is not passed over', async () => {
  const { status, stderr } = await run(['src/cli/main.ts', 'serve', '--port', '80'])
  expect([status, stderr]).toEqual([2, expect.stringContaining('--port')])
})
