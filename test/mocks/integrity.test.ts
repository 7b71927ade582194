import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { operations } from '../../generated/operations.ts'
import { type MockHost, startMocks } from '../../mocks/host.ts'
import {
  listProbes,
  PROBE_KINDS,
  type Probe,
  type ProbeResult,
  runProbes,
} from '../../scripts/contracts/parity/conformance.ts'
import { listCells, nameOfCell, readDocument } from '../../scripts/contracts/parity/contract.ts'

const document = readDocument(join(import.meta.dirname, '../..'))
const cells = listCells(document)
const probes = listProbes(document)
const of = (kind: Probe['kind']) => probes.filter((probe) => probe.kind === kind)

let mocks: MockHost
beforeAll(async () => {
  mocks = await startMocks({ ports: 'free', staticRoutes: [] })
  return () => mocks.stop()
})

/** Of the mocks, asked once. */
const known = new Map<Probe['kind'], Promise<ProbeResult[]>>()
function resultsOf(kind: Probe['kind']): Promise<ProbeResult[]> {
  const results = known.get(kind) ?? runProbes(of(kind), { url: mocks.gatewayUrl })
  known.set(kind, results)
  return results
}

const MAX_SHOWN = 30

function failuresOf(results: readonly ProbeResult[]): string[] {
  const all = results.flatMap(({ probe, disagreements }) =>
    disagreements.map(({ matter, at, message }) => `${probe.name}: ${matter} ${at}: ${message}`),
  )
  return all.length <= MAX_SHOWN ? all : [...all.slice(0, MAX_SHOWN), `and ${all.length - MAX_SHOWN} more`]
}

describe('what is asked for', () => {
  test('covers every operation, status, media type and named example', () => {
    const asked = new Set(of('example').map(({ name }) => name))
    const wanted = cells.flatMap((cell) => [
      nameOfCell(cell),
      ...cell.examples.map(({ name }) => `${nameOfCell(cell)} #${name}`),
    ])
    expect(wanted.filter((name) => !asked.has(name))).toEqual([])
    expect(asked.size).toBe(new Set(wanted).size)
    for (const kind of ['example', 'natural', 'refusal'] as const) {
      expect(new Set(of(kind).map(({ operationId }) => operationId)).size, kind).toBe(Object.keys(operations).length)
    }
    expect(of('dynamic')).toHaveLength(cells.filter(({ schema }) => schema !== null).length)
  })
})

describe('what the mocks answer is what the contract says', () => {
  test.each<[Probe['kind'], string]>([
    ['example', 'every documented answer, in the media type and by the example that was asked for'],
    ['dynamic', 'every JSON answer that is made from its schema'],
    ['natural', "every success, by a valid request made of the contract's own examples"],
    ['refusal', 'a status that is not documented is refused, never made up'],
  ])('%s: %s', async (kind) => {
    const results = await resultsOf(kind)
    expect(results.length).toBeGreaterThan(100)
    expect(failuresOf(results)).toEqual([])
  })

  test('made from the schema means not taken from an example', async () => {
    const results = await resultsOf('dynamic')
    const successes = results.filter(({ reply }) => reply !== null && reply.status < 400)
    const copies = successes.filter(({ probe, reply }) =>
      probe.cells[0]?.examples.some(({ value }) => isDeepStrictEqual(value, reply?.json)),
    )
    expect(successes.length).toBeGreaterThan(50)
    // Some schemas admit few values.
    expect(copies.length).toBeLessThan(successes.length / 10)
  })
})

test('a mock that answers everything alike satisfies nothing', async () => {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'application/json').end('{"ok":true}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    for (const kind of PROBE_KINDS) {
      const some = of(kind).filter((_, index) => index % 10 === 0)
      const passed = (await runProbes(some, { url })).filter(({ disagreements }) => disagreements.length === 0)
      expect(passed.map(({ probe }) => probe.name)).toEqual([])
    }
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('a mock that does not answer satisfies nothing', async () => {
  const server = createServer((_request, response) => response.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const [result] = await runProbes(of('example').slice(0, 1), { url })
    expect(result).toMatchObject({ reply: null, disagreements: [{ matter: 'status' }] })
  } finally {
    server.close()
  }
})
