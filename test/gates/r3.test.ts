import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { proveIngestion } from '../../scripts/gates/r3/run.ts'
import { main } from '../../scripts/gates.ts'

/** A store that acknowledges everything and drops the `nth` delivery. */
async function dropping(apiUrl: string, nth: number, receiptId: string): Promise<string> {
  let count = 0
  const server = createServer((req, res) => {
    count += 1
    if (count === nth) {
      const answer = JSON.stringify({ result: 'accepted', receipt_id: receiptId, code: null })
      req.resume().on('end', () => res.writeHead(200, { 'Content-Length': answer.length }).end(answer))
      return
    }
    const { method, headers } = req
    const forwarded = request(apiUrl + req.url, { method, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(res)
    })
    req.pipe(forwarded)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close().closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('gate r3 names the one delivery that a store has dropped, and nothing else', async () => {
  const receiptId = randomUUID()
  const report = await proveIngestion({
    seed: 1,
    rungs: [3],
    sustained: { ratePerS: 20, seconds: 1 },
    say: () => {},
    // After the 4 × 3 of `replay`, the second of `unique`.
    through: (apiUrl) => dropping(apiUrl, 14, receiptId),
  })
  expect(report.isPassed).toBe(false)
  const faults = report.rows.flatMap((row) => row.faults.map((fault) => `${row.scenario}: ${fault}`))
  // How fast it was is the machine's business.
  expect(faults.filter((fault) => !/ p95 is | requests a second /.test(fault))).toEqual([
    expect.stringMatching(`^unique: lost: .*, acknowledged as ${receiptId}$`),
  ])
}, 60_000)

test('what is no gate is refused, and help lists the gates', async () => {
  expect(await main(['r99'])).toBe(2)
  expect(await main(['r3', '--seed', 'x'])).toBe(2)
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  onTestFinished(() => write.mockRestore())
  expect(await main(['--help'])).toBe(0)
  expect(String(write.mock.calls[0]?.[0])).toMatch(/^ {2}r3 +ingestion under fire/m)
})
