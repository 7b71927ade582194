import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment } from '../../../src/config.ts'
import { findFreePort } from '../../../src/db/embedded.ts'
import { type Random, randomOf } from '../../../src/webhooks/simulator/random.ts'
import { openClient } from '../../load/client.ts'
import { untilReady } from '../../load/processes.ts'
import { type LoadTenant, type LoadWorld, startWorld } from '../../load/world.ts'
import type { FaultOptions } from '../fault.ts'
import { inventMessages } from '../ingest/messages.ts'
import { startSenders } from '../ingest/senders.ts'
import { PROBES, type ProbeName, type Probing, startProbing } from './probing.ts'
import { type Process, startProcess } from './processes.ts'
import { type Flip, MAX_FLIP_MS, type Peace, type Report } from './report.ts'
import { type Scene, TROUBLES, type Trouble } from './troubles.ts'

const TIMES = 5
const PEACE_S = 100
const SMOKE_PEACE_S = 10
/** Requests a second beside the probes. */
const RATE_PER_S = 80
const CONNECTIONS = 50
/** Between the answers of a probe: what this adds to the time of a flip. */
const PAUSE_MS = 20
const PEACE_PAUSE_MS = 5

type Options = Pick<FaultOptions, 'seed' | 'isSmoke' | 'say'>

/** Injects each fault several times at moments of chance, and then none. */
export async function breakHealth({ seed, isSmoke, say }: Options): Promise<Report> {
  const began = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-faults-'))
  const stops: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })]
  try {
    const world = await startWorld({ tenants: 1, say })
    stops.push(world.stop)
    const logFile = join(folder, 'processes.log')
    const flips = await measureFlips(world, {
      logFile,
      times: isSmoke ? 1 : TIMES,
      random: randomOf(`health ${seed}`),
      say,
    })
    const peace = await keepPeace(world, { logFile, seed, seconds: isSmoke ? SMOKE_PEACE_S : PEACE_S, say })
    const failures = [
      ...flips.flatMap(({ trouble, probe, there, back }) =>
        Math.max(...there, ...back) > MAX_FLIP_MS ? [`${trouble}: ${probe} took longer than ${MAX_FLIP_MS} ms`] : [],
      ),
      ...peace.rows.flatMap(({ probe, says }) => says.map((said) => `in peace ${probe} said ${said}`)),
    ]
    return { seed, flips, peace, failures, tookMs: performance.now() - began }
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
}

async function startBoth(world: LoadWorld, logFile: string, env: Environment = {}) {
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}`
  const start = (args: string[], ready: RegExp) =>
    startProcess(args, { ...world.env, PORT: String(port), ...env }, { ready, logFile })
  const startWorker = () => start(['src/cli/main.ts', 'worker'], /takes jobs/)
  const api = await start(['--inspect=127.0.0.1:0', 'src/cli/main.ts', 'serve'], /Debugger listening on (\S+)/)
  let worker: Process | undefined
  const stop = async () => void (await Promise.all([api.stop(), worker?.stop()]))
  try {
    worker = await startWorker()
    await untilReady(url)
  } catch (error) {
    await stop()
    throw error
  }
  const scene: Scene = {
    world,
    url,
    inspectorUrl: api.told,
    worker: () => worker as Process,
    startWorker: async () => {
      worker = await startWorker()
    },
  }
  return { scene, stop }
}

interface FlipOptions {
  logFile: string
  times: number
  random: Random
  say: (line: string) => void
}

async function measureFlips(world: LoadWorld, { logFile, times, random, say }: FlipOptions): Promise<Flip[]> {
  say('starting the API and a worker')
  const { scene, stop } = await startBoth(world, logFile)
  const probing = startProbing(scene.url, PAUSE_MS)
  const flips = new Map<string, Flip>()
  try {
    const order = random.shuffle(Array.from({ length: times }, () => TROUBLES).flat())
    for (const [index, trouble] of order.entries()) {
      say(`${index + 1} of ${order.length}: ${trouble.name}`)
      await untilAllGood(probing)
      // Somewhere between two measurements.
      await sleep(random.integer(0, 1_000))
      await measureFlip(scene, trouble, probing, flips)
    }
  } finally {
    await probing.stop()
    await stop()
  }
  return TROUBLES.flatMap(({ name, probes }) => probes.map((probe) => flips.get(`${name} ${probe}`) as Flip))
}

async function untilAllGood(probing: Probing): Promise<void> {
  const since = performance.now()
  for (const probe of Object.keys(PROBES) as ProbeName[]) {
    await probing.until(probe, true, since)
    probing.take(probe)
  }
}

async function measureFlip(
  scene: Scene,
  { name, names, probes, begin }: Trouble,
  probing: Probing,
  flips: Map<string, Flip>,
): Promise<void> {
  const beganAt = performance.now()
  const end = await begin(scene)
  // A fault that takes time to be made, such as the end of a process, is there when it is made.
  const thereAt = names === '' ? beganAt : performance.now()
  const answers = await Promise.all(probes.map((probe) => probing.until(probe, false, thereAt)))
  const [first] = answers
  if (names !== '' && first?.says.includes(names) !== true)
    throw new Error(`${name}: ${probes[0]} says ${first?.says}, and not ${names}`)
  await end()
  const overAt = performance.now()
  const good = await Promise.all(probes.map((probe) => probing.until(probe, true, overAt)))
  for (const [index, probe] of probes.entries()) {
    const [bad, well] = [answers[index], good[index]]
    if (bad === undefined || well === undefined) continue
    const flip = flips.get(`${name} ${probe}`) ?? { trouble: name, probe, there: [], back: [], says: bad.says }
    flip.there.push(bad.at - thereAt)
    flip.back.push(well.at - overAt)
    flips.set(`${name} ${probe}`, flip)
  }
}

interface PeaceOptions {
  logFile: string
  seed: number
  seconds: number
  say: (line: string) => void
}

/** Every probe measures anew, with vendors and touchpoints beside it. */
async function keepPeace(world: LoadWorld, { logFile, seed, seconds, say }: PeaceOptions): Promise<Peace> {
  say(`${seconds} s of peace under load`)
  const { scene, stop } = await startBoth(world, logFile, { SKELDIR_PROBE_FRESH_MS: '0' })
  const client = openClient(scene.url, CONNECTIONS)
  const senders = startSenders(client, inventMessages(world.tenants[0] as LoadTenant, seed), RATE_PER_S)
  const probing = startProbing(scene.url, PEACE_PAUSE_MS)
  try {
    await untilAllGood(probing)
    await sleep(seconds * 1_000)
    const rows = (Object.keys(PROBES) as ProbeName[]).map((probe) => {
      const answers = probing.take(probe)
      const wrong = answers.filter(({ isGood }) => !isGood)
      const says = [...new Set(wrong.map((answer) => answer.says))]
      return { probe, answers: answers.length, falseFlips: wrong.length, says }
    })
    return { seconds, requests: senders.ledger.attempts, rows }
  } finally {
    await probing.stop()
    await senders.finish()
    client.close()
    await stop()
  }
}
