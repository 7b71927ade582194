import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { toText } from '../../scripts/gates/r3/report.ts'
import { openClient } from '../../scripts/load/client.ts'
import { latencyOf } from '../../scripts/load/latency.ts'

test('latencies are the nearest ranks, in any order; of nothing there are none', () => {
  const shuffled = Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) + 1)
  expect(latencyOf(shuffled)).toEqual({ p50: 50, p95: 95, p99: 99 })
  expect(latencyOf([7])).toEqual({ p50: 7, p95: 7, p99: 7 })
  expect(latencyOf([])).toEqual({ p50: null, p95: null, p99: null })
})

test('one fault is enough for a row to fail, and many are not all printed', () => {
  const row = { rung: '50', scenario: 'unique', sent: 50, ok: 50, rows: 38, dead: 0, latency: latencyOf([1]) }
  const faults = Array.from({ length: 12 }, (_, index) => `lost: delivery ${index}`)
  const report = { seed: 7, isPassed: false, rows: [{ ...row, faults }], checks: [], tookMs: 1_000 }
  const text = toText(report)
  expect(text).toMatch(/^50 {4}unique .* FAILED$/m)
  expect(text).toContain('seed 7')
  expect(text).toContain('lost: delivery 9')
  expect(text).not.toContain('lost: delivery 10')
  expect(text).toContain('and 2 more')
  expect(toText({ ...report, isPassed: true, rows: [{ ...row, faults: [] }] })).not.toContain('FAILED')
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close().closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('the client of the load', () => {
  test('keeps to its width, and reads status, body and when to come again', async () => {
    let open = 0
    let most = 0
    const url = await serve((req, res) => {
      open += 1
      most = Math.max(most, open)
      req.resume().on('end', () => {
        open -= 1
        res
          .writeHead(503, { 'Content-Type': 'application/json', 'Content-Length': 11, 'Retry-After': '5' })
          .end('{"a":"é"}\n')
      })
    })
    const client = openClient(url, 3)
    onTestFinished(() => client.close())
    const body = Buffer.from('x'.repeat(100_000))
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => client.send({ path: '/', body })))
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 503, body: { a: 'é' }, retryAfterS: 5, failure: null })
    expect(most).toBeLessThanOrEqual(3)
  })

  test('tells why there was no answer, and takes a connection that was closed meanwhile for no answer to a request', async () => {
    let served = 0
    const url = await serve((req, res) => {
      served += 1
      if (req.url === '/hang') return
      if (req.url === '/cut') return void req.socket.destroy()
      res.writeHead(200, { 'Content-Length': 2 }).end('{}')
    })
    const client = openClient(url, 1)
    onTestFinished(() => client.close())
    expect(await client.send({ path: '/hang', method: 'GET' }, 50)).toMatchObject({
      status: null,
      failure: 'timed out',
    })
    expect(await client.send({ path: '/cut', method: 'GET' })).toMatchObject({ status: null })
    expect(await client.send({ path: '/', method: 'GET' })).toMatchObject({ status: 200 })
    // On a connection that was used before, the end without an answer means: send it again, on another one.
    const before = served
    expect(await client.send({ path: '/', method: 'GET' })).toMatchObject({ status: 200 })
    expect(served).toBe(before + 1)
    const nobody = openClient('http://127.0.0.1:9', 1)
    expect(await nobody.send({ path: '/', method: 'GET' })).toMatchObject({ status: null, failure: 'ECONNREFUSED' })
  })
})
