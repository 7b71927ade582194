// The load of `npm run bench -- ingest`, in a process of its own: signed deliveries over connections that stay open.
import { createPrivateKey } from 'node:crypto'
import type { SimulatedVendor } from '../../src/webhooks/simulator/delivery.ts'
import { openClient, type Sent } from '../load/client.ts'
import { latencyOf } from '../load/latency.ts'
import { aim, type Door, inventDelivery } from '../load/vendors.ts'

/** A message between processes cannot hold the key of a certificate: it comes as PEM. */
export interface ClientStart {
  doors: Record<SimulatedVendor, Door>
  paypal: { key: string; url: string }
}

export interface ClientJob {
  url: string
  /** Of the first delivery; each further one has the next. */
  seed: number
  count: number
  /** How many of the deliveries are ones that were sent in this job before: 0 to 1. */
  repeated: number
  concurrency: number
}

export interface ClientResult {
  /** Answered with 200. */
  ok: number
  bad: Record<string, number>
  results: Record<string, number>
  perSecond: number
  p50Ms: number
  p99Ms: number
}

function prepare(doors: ClientStart['doors'], { seed, count, repeated }: ClientJob): Sent[] {
  const unique = Math.max(1, Math.round(count * (1 - repeated)))
  const requests = Array.from({ length: unique }, (_, index): Sent => {
    const delivery = inventDelivery(seed + index)
    const door = doors[delivery.vendor]
    return { path: door.path, ...aim(delivery, door).sign(new Date()) }
  })
  // Repeats come soon after the first, as they do where a vendor sends everything twice, and long after it.
  return Array.from({ length: count }, (_, index) => requests[index % unique] as Sent)
}

async function run(doors: ClientStart['doors'], job: ClientJob): Promise<ClientResult> {
  const requests = prepare(doors, job)
  const client = openClient(job.url, job.concurrency)
  const latencies: number[] = []
  const bad: Record<string, number> = {}
  const results: Record<string, number> = {}
  let next = 0
  const work = async () => {
    for (let at = next++; at < requests.length; at = next++) {
      const { status, failure, body, latencyMs } = await client.send(requests[at] as Sent)
      latencies.push(latencyMs)
      if (status !== 200) bad[String(status ?? failure)] = (bad[String(status ?? failure)] ?? 0) + 1
      else results[String(body?.result)] = (results[String(body?.result)] ?? 0) + 1
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: job.concurrency }, work))
  const tookMs = performance.now() - began
  client.close()
  const ok = Object.values(results).reduce((sum, count) => sum + count, 0)
  const { p50, p99 } = latencyOf(latencies)
  return { ok, bad, results, perSecond: (ok / tookMs) * 1000, p50Ms: p50 ?? 0, p99Ms: p99 ?? 0 }
}

function withKey({ doors, paypal }: ClientStart): ClientStart['doors'] {
  const certificate = { privateKey: createPrivateKey(paypal.key), url: paypal.url }
  return { ...doors, paypal: { ...doors.paypal, signing: { ...doors.paypal.signing, certificate } } }
}

if (import.meta.main) {
  let doors: ClientStart['doors'] | undefined
  process.on('message', async (message: ClientStart | ClientJob) => {
    if ('doors' in message) doors = withKey(message)
    else if (doors !== undefined) process.send?.(await run(doors, message))
  })
  process.on('disconnect', () => process.exit(0))
}
