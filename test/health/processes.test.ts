import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startTalking } from '../security/support/process.ts'
import { openDoor } from '../support/door.ts'
import { startPlatform, type TestPlatform, until, usePlatform } from '../support/platform.ts'

interface Seen {
  live: number
  ready: string
  worker: string
  status: string
}

/** What each probe says: 200, or the parts that are down. */
async function look(url: string, statusUrl = url): Promise<Seen> {
  const ask = async (path: string, of = url) => {
    const answer = await fetch(`${of}${path}`)
    // biome-ignore lint/suspicious/noExplicitAny: of several schemas
    const body: any = await answer.json()
    return {
      status: answer.status,
      parts: (body.errors ?? []).map(({ pointer }: { pointer: string }) => pointer),
      body,
    }
  }
  const [live, ready, worker, status] = await Promise.all([
    ask('/health/live'),
    ask('/health/ready'),
    ask('/health/worker'),
    ask('/api/health', statusUrl),
  ])
  const say = ({ status, parts }: { status: number; parts: string[] }) => [status, ...parts].join(' ')
  return {
    live: live.status,
    ready: say(ready),
    worker: say(worker),
    status: status.status === 200 ? status.body.status : say(status),
  }
}

type Clean = (work: () => Promise<void>) => void

/** A real API process on two ports, cut off from its database by a door. */
async function startServing(platform: TestPlatform, clean: Clean = onTestFinished) {
  const door = await openDoor(platform.database.adminUrl)
  clean(door.close)
  const url = door.through(platform.database.urlOf('app_user'))
  const env = { SKELDIR_PROBE_PORT: '0', LOG_LEVEL: 'warn' }
  const api = await startTalking(platform, 'serve', url, /probes on (http:\S+)/, env)
  clean(async () => void (await api.stop()))
  const main = /listening on (http:\S+)/.exec(api.output())?.[1] as string
  return { api, door, main, probes: api.told }
}

const WELL: Seen = { live: 200, ready: '200', worker: '200', status: 'healthy' }

/** As `revoke` and `grant` name it. */
const ENQUEUE = 'execute on function internal.enqueue_job(text, jsonb, integer)'

interface Trouble {
  seen: Seen
  begin: (scene: Scene) => Promise<unknown> | unknown
  end: (scene: Scene) => Promise<unknown> | unknown
}
interface Scene {
  platform: TestPlatform
  door: Awaited<ReturnType<typeof openDoor>>
  worker: ChildProcess
}

const TROUBLES: Record<string, Trouble> = {
  'the worker was killed': {
    seen: { live: 200, ready: '200', worker: '503 /worker', status: 'degraded' },
    begin: ({ worker }) => worker.kill('SIGKILL'),
    end: async (scene) => {
      scene.worker = await scene.platform.startWorker()
    },
  },
  'the database is away': {
    seen: { live: 200, ready: '503 /checks/database', worker: '503 /database', status: '503 /components/database' },
    begin: ({ door }) => door.shut(),
    end: ({ door }) => door.open(),
  },
  'a grant is missing': {
    seen: { live: 200, ready: '503 /checks/grants', worker: '200', status: '503 /components/database' },
    begin: ({ platform }) => platform.query('revoke insert on sessions from app_user'),
    end: ({ platform }) => platform.query('grant insert on sessions to app_user'),
  },
  'nothing can be queued': {
    seen: { live: 200, ready: '503 /checks/grants', worker: '503 /queue', status: '503 /components/database' },
    begin: ({ platform }) => platform.query(`revoke ${ENQUEUE} from app_user`),
    end: ({ platform }) => platform.query(`grant ${ENQUEUE} to app_user`),
  },
}
describe('what each probe says, on both ports, and then all is well again', () => {
  const platform = usePlatform()
  const scene = { platform } as Scene
  let serving: Awaited<ReturnType<typeof startServing>>
  beforeAll(async () => {
    const cleaners: (() => Promise<void>)[] = []
    serving = await startServing(platform, (work) => void cleaners.push(work))
    scene.door = serving.door
    scene.worker = await platform.startWorker()
    return async () => {
      for (const clean of cleaners.reverse()) await clean()
    }
  })

  test.each(Object.keys(TROUBLES))('%s', async (name) => {
    const { seen, begin, end } = TROUBLES[name] as Trouble
    const { main, probes } = serving
    const untilSeen = (expected: Seen) =>
      until(
        () => Promise.all([look(main), look(probes, main)]),
        (both) => both.every((one) => JSON.stringify(one) === JSON.stringify(expected)),
      )
    await untilSeen(WELL)
    await begin(scene)
    await untilSeen(seen)
    await end(scene)
    await untilSeen(WELL)
  })
})

test('while requests are finished the probes say so on their own port, until the very end', async () => {
  const platform = await startPlatform(onTestFinished)
  const { api, main, probes } = await startServing(platform)
  // A request whose body is not all there yet holds the process up.
  const { hostname, port } = new URL(main)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.setEncoding('utf8').on('data', (chunk) => {
    answer += chunk
  })
  await once(socket, 'connect')
  const head = ['POST /api/auth/login HTTP/1.1', `Host: ${hostname}`, 'Content-Type: application/json']
  socket.write(`${[...head, 'Content-Length: 2', 'Expect: 100-continue'].join('\r\n')}\r\n\r\n`)
  await until(
    async () => answer,
    (text) => text.includes('100 Continue'),
  )
  const stopped = api.stop()
  await until(
    () =>
      fetch(`${main}/health/live`).then(
        () => true,
        () => false,
      ),
    (isThere) => !isThere,
  )
  const ready = await fetch(`${probes}/health/ready`)
  const problem = (await ready.json()) as { errors: [{ pointer: string }] }
  expect([ready.status, problem.errors[0].pointer]).toEqual([503, '/checks/draining'])
  expect((await fetch(`${probes}/health/live`)).status).toBe(200)
  expect((await fetch(`${probes}/api/health`)).status).toBe(404)
  socket.write('{}')
  await stopped
  expect(answer).toContain('HTTP/1.1 422 ')
  await expect(fetch(`${probes}/health/live`)).rejects.toThrow()
})

test('without a worker no questions pile up, whoever asks how often', async () => {
  const platform = await startPlatform(onTestFinished)
  const processes = await Promise.all([startServing(platform), startServing(platform)])
  for (let round = 0; round < 4; round += 1) {
    await Promise.all(processes.flatMap(({ main, probes }) => [look(main), look(probes, main)]))
    // An answer is good for a second; this one is to be a new one.
    await delay(1_000)
  }
  const [piled] = await platform.query<{ probes: number; jobs: number }>(
    `select (select count(*)::integer from worker_probes) as probes,
            (select count(*)::integer from pgboss.job where name = 'probe') as jobs`,
  )
  // Two processes may ask their first question in the same moment.
  expect(piled?.probes).toBeLessThanOrEqual(2)
  expect(piled?.jobs).toBe(1)
})
