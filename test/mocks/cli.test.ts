import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { operations as table } from '../../generated/operations.ts'
import { findPortOwner } from '../../mocks/port-owner.ts'
import { readRegistry } from '../../mocks/registry.ts'
import { startTestReal } from '../support/mocks.ts'
import { until } from '../support/platform.ts'
import { shareOf } from '../support/share.ts'

const count = Object.keys(table).length
const MAIN = join(import.meta.dirname, '../../mocks/main.ts')
/** Starting takes a second, and more beside other tests. */
const START_MS = 60_000

interface Run {
  child: ChildProcess
  out: string
  err: string
  code: number | null | undefined
}

function run(args: string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const state: Run = { child, out: '', err: '', code: undefined }
  child.stdout?.on('data', (chunk) => {
    state.out += chunk
  })
  child.stderr?.on('data', (chunk) => {
    state.err += chunk
  })
  child.once('close', (code) => {
    state.code = code
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return state
}

const untilReady = (state: Run) =>
  until(
    async () => `${state.out}${state.err}`,
    () => /^ready: /m.test(state.out),
    START_MS,
  )
const untilEnd = (state: Run) =>
  until(
    async () => state.code,
    (code) => code !== undefined,
    START_MS,
  )

/** A registry in which `ports` are fixed and all others free. */
function registryWith(ports: Record<string, number>): string {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir registry '))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'registry.json')
  const { mocks } = readRegistry()
  const rows = mocks.map(({ domain }) => ({ domain, port: ports[domain] ?? 0 }))
  writeFileSync(file, JSON.stringify({ gateway: { port: ports.gateway ?? 0 }, mocks: rows }))
  return file
}

async function takePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

describe('npm run mocks', { timeout: 2 * START_MS }, () => {
  test('prints every URL and that it is ready, and ends with 0 when it is stopped', async () => {
    const mocks = run(['--ports', 'free', '--no-watch'])
    await untilReady(mocks)
    const urls = [...mocks.out.matchAll(/^([\w-]+) +(http:\/\/127\.0\.0\.1:\d+)$/gm)]
    expect(urls.map(([, domain]) => domain)).toEqual(['gateway', ...readRegistry().mocks.map(({ domain }) => domain)])
    expect(mocks.out).toMatch(/^ready: 20 ports, in \d+\.\d s$/m)
    expect((await fetch(`${urls[0]?.[2]}/health/live`)).status).toBe(200)
    mocks.child.kill('SIGTERM')
    expect([await untilEnd(mocks), mocks.err]).toEqual([0, ''])
  })

  test('a port that is taken is named with its process; the others start, and the exit status says so', async () => {
    const port = await takePort()
    const mocks = run(['--registry', registryWith({ auth: port }), '--no-watch'])
    await untilReady(mocks)
    expect(mocks.out).toMatch(/^ready: 19 ports, 1 left out, in /m)
    const owner = process.platform === 'linux' ? `pid ${process.pid} \\(.+\\)` : 'a process that could not be found out'
    expect(mocks.err).toMatch(
      new RegExp(`^mocks: port ${port} of auth is taken by ${owner}: end that process, and start`, 'm'),
    )
    const gateway = /^gateway +(\S+)$/m.exec(mocks.out)?.[1]
    expect((await fetch(`${gateway}/api/auth/verify`, { headers: { authorization: 'Bearer a' } })).status).toBe(200)
    mocks.child.kill('SIGINT')
    expect(await untilEnd(mocks)).toBe(1)
  })

  test('ends with 1 at once when nothing could start', async () => {
    const port = await takePort()
    const all = Object.fromEntries(
      ['gateway', ...readRegistry().mocks.map(({ domain }) => domain)].map((name) => [name, port]),
    )
    const mocks = run(['--registry', registryWith(all), '--no-watch'])
    expect(await untilEnd(mocks)).toBe(1)
    expect(mocks.err.match(/is taken by/g)).toHaveLength(20)
  })

  test('ends with its supervisor, however that went', async () => {
    const mocks = run(['--ports', 'free', '--no-watch'], { SKELDIR_SUPERVISED: '1' })
    await untilReady(mocks)
    mocks.child.stdin?.destroy()
    expect(await untilEnd(mocks)).toBe(0)
  })

  const mistakes: [string[], number, RegExp][] = [
    [['--nope'], 2, /Unknown option '--nope'/],
    [['dance'], 2, /there is no command dance/],
    [['--shadow'], 2, /--shadow needs --real URL/],
    [['--ports', '4000'], 2, /--ports is registry or free/],
    [['--real-timeout', 'x'], 2, /--real-timeout takes milliseconds/],
    [['handover', '--format', 'xml'], 2, /--format is text or json/],
    [['--real', 'nowhere'], 1, /nowhere is not the URL of a server/],
    [['--registry', '/nowhere'], 1, /\/nowhere cannot be read: ENOENT/],
    [['--config', '/nowhere'], 1, /\/nowhere cannot be read: ENOENT/],
  ]
  test.each(shareOf(mistakes, 3, 'mistakes of who starts the mocks'))('%j', async (args, code, message) => {
    const mocks = run(args)
    expect(await untilEnd(mocks)).toBe(code)
    expect(mocks.err).toMatch(message)
    expect(mocks.out).toBe('')
  })

  test('a wrong configuration is refused by place before anything starts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skeldir config '))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'faults.json')
    writeFileSync(file, JSON.stringify({ operations: { getTenant: { delay_ms: 'long' } } }))
    const mocks = run(['--ports', 'free', '--config', file])
    expect(await untilEnd(mocks)).toBe(1)
    expect(mocks.err).toContain('/operations/getTenant/delay_ms: must be integer')
    expect(mocks.out).toBe('')
  })

  test('--help tells what there is', async () => {
    const mocks = run(['--help'])
    expect(await untilEnd(mocks)).toBe(0)
    for (const word of ['--real', '--shadow', '--config', 'handover', 'X-Served-By', 'fault=', 'Every other token'])
      expect(mocks.out).toContain(word)
  })

  test('handover lists every operation, as JSON too', async () => {
    const paths = { '/health/live': { get: 'getLiveness' } }
    const real = await startTestReal(onTestFinished, paths, (_req, res) => void res.end())
    const list = run(['handover', '--real', real.url, '--format', 'json'])
    expect(await untilEnd(list)).toBe(0)
    const { fault, operations } = JSON.parse(list.out)
    expect([fault, operations.length]).toEqual([null, count])
    expect(operations.filter(({ served_by }: { served_by: string }) => served_by === 'real')).toEqual([
      { operation_id: 'getLiveness', method: 'GET', path: '/health/live', domain: 'health', served_by: 'real' },
    ])
    const down = run(['handover', '--real', 'http://127.0.0.1:9'])
    expect(await untilEnd(down)).toBe(1)
    expect(down.out).toContain(`0 of ${count} operations are answered by http://127.0.0.1:9`)
  })
})

test('nobody owns a port that is free', async () => {
  expect(findPortOwner(1)).toBeUndefined()
})
