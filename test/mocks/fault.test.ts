import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { checkConfig, type MockConfig, readConfig } from '../../mocks/config.ts'
import { createInjector } from '../../mocks/inject.ts'
import { startTestMocks, useMocks } from '../support/mocks.ts'

const mocks = useMocks()

describe('a fault that is asked for', () => {
  test('reset: the connection breaks without a byte', async () => {
    await expect(talk('fault=reset')).resolves.toEqual({ error: 'ECONNRESET', text: '' })
  })

  test('timeout: nothing comes, and the connection stays', async () => {
    const silent = fetch(`${mocks.gatewayUrl}/health/live`, {
      headers: { prefer: 'fault=timeout' },
      signal: AbortSignal.timeout(300),
    })
    await expect(silent).rejects.toThrow(/timeout/)
  })

  test('truncate: half of what Content-Length promises', async () => {
    const { text } = await talk('fault=truncate')
    const [head = '', body = ''] = text.split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 200 OK/)
    const promised = Number(/Content-Length: (\d+)/.exec(head)?.[1])
    expect([promised, body.length]).toEqual([18, 9])
    await expect(
      fetch(`${mocks.gatewayUrl}/health/live`, { headers: { prefer: 'fault=truncate' } }).then((r) => r.text()),
    ).rejects.toThrow()
  })

  test('malformed: a whole answer that is no JSON', async () => {
    const { status, text, body } = await mocks.ask('/health/live', { headers: { prefer: 'fault=malformed' } })
    expect([status, text.length, body]).toEqual([200, 18, undefined])
  })

  test('truncate of an answer without a body breaks the connection', async () => {
    const answer = fetch(`${mocks.gatewayUrl}/api/auth/logout`, {
      method: 'POST',
      headers: { prefer: 'code=204, fault=truncate' },
    })
    await expect(answer).rejects.toThrow()
  })

  test('unavailable: 503 with Retry-After, by the example where there is one', async () => {
    const { status, body, headers } = await mocks.ask('/api/tenant', { headers: { prefer: 'fault=unavailable' } })
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'service_unavailable', expect.any(String)])
    const undocumented = await mocks.ask('/health/live', { headers: { prefer: 'fault=unavailable' } })
    expect([undocumented.status, undocumented.body.code]).toEqual([503, 'service_unavailable'])
  })

  test('rate-limit: 429 with Retry-After', async () => {
    const { status, body, headers } = await mocks.ask('/api/tenant', { headers: { prefer: 'fault=rate-limit' } })
    expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'rate_limited', '1'])
    const undocumented = await mocks.ask('/health/live', { headers: { prefer: 'fault=rate-limit' } })
    expect([undocumented.status, undocumented.headers.get('retry-after')]).toEqual([429, '1'])
  })

  test('a delay comes before the answer, and before a fault', async () => {
    const startedAt = performance.now()
    const { status, headers } = await mocks.ask('/health/live', { headers: { prefer: 'delay=300' } })
    expect(performance.now() - startedAt).toBeGreaterThan(295)
    expect([status, headers.get('preference-applied')]).toEqual([200, 'delay=300'])
  })

  test('a delay that nobody would wait for is refused', async () => {
    const { status, body } = await mocks.ask('/health/live', { headers: { prefer: 'delay=60000' } })
    expect([status, body.detail]).toEqual([400, 'Prefer: delay takes a whole number from 0 to 30000.'])
  })

  test('stopping does not wait for those who wait', async () => {
    const { gatewayUrl, stop } = await startTestMocks(onTestFinished)
    const waiting = fetch(`${gatewayUrl}/health/live`, { headers: { prefer: 'fault=timeout' } }).catch(() => 'cut')
    await fetch(`${gatewayUrl}/health/live`).then((answer) => answer.text())
    const startedAt = performance.now()
    await stop()
    expect(await waiting).toBe('cut')
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })
})

/** What comes back on a connection of its own. */
function talk(prefer: string): Promise<{ text: string; error?: string }> {
  const { hostname, port } = new URL(mocks.gatewayUrl)
  return new Promise((resolve) => {
    let text = ''
    let error: string | undefined
    const socket = connect(Number(port), hostname)
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      error = code
    })
    socket.on('close', () => resolve({ text, ...(error !== undefined && { error }) }))
    socket.write(`GET /health/live HTTP/1.1\r\nHost: x\r\nPrefer: ${prefer}\r\n\r\n`)
  })
}

describe('by configuration', () => {
  test('every operation, one operation, and a limit', async () => {
    const { ask } = await startTestMocks(onTestFinished, {
      config: {
        operations: {
          '*': { fault: 'unavailable' },
          getLiveness: { fault: 'unavailable', rate: 0 },
          getTenant: { fault: 'unavailable', rate: 0, rate_limit: { limit: 2, window_s: 3_600 } },
        },
      },
    })
    expect((await ask('/health/ready')).status).toBe(503)
    expect((await ask('/health/live')).status).toBe(200)
    const answers = [await ask('/api/tenant'), await ask('/api/tenant'), await ask('/api/tenant')]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(answers.map(({ headers }) => headers.get('ratelimit')?.split(';t=')[0])).toEqual([
      '"mock";r=1',
      '"mock";r=0',
      '"mock";r=0',
    ])
    expect(answers[2]?.headers.get('ratelimit-policy')).toBe('"mock";q=2;w=3600')
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(3_500)
  })

  test('the preference of a request goes before it', async () => {
    const config: MockConfig = { operations: { '*': { delay_ms: 30_000, fault: 'timeout' } } }
    const { ask } = await startTestMocks(onTestFinished, { config })
    expect((await ask('/health/live', { headers: { prefer: 'delay=0, fault=unavailable' } })).status).toBe(503)
  })

  test('the same seed gives the same faults, about as many as the rate says', () => {
    const faultsOf = (seed: number) => {
      const inject = createInjector({ seed, operations: { '*': { fault: 'reset', rate: 0.25 } } })
      return Array.from({ length: 1_000 }, () => (inject('getTenant', {}).fault === undefined ? '.' : 'x')).join('')
    }
    expect(faultsOf(7)).toBe(faultsOf(7))
    expect(faultsOf(7)).not.toBe(faultsOf(8))
    expect(faultsOf(7).replaceAll('.', '').length).toBeGreaterThan(200)
    expect(faultsOf(7).replaceAll('.', '').length).toBeLessThan(300)
  })

  test('a window ends', () => {
    let now = 1_000
    const inject = createInjector({ operations: { '*': { rate_limit: { limit: 1, window_s: 10 } } } }, () => now)
    const next = () => inject('getTenant', {}).fault
    expect([next(), next()]).toEqual([undefined, 'rate-limit'])
    now += 9_999
    expect(next()).toBe('rate-limit')
    now += 1
    expect(next()).toBeUndefined()
  })

  test.each([
    [{}, ': must have required property'],
    [{ operations: { getTenant: { delay: 1 } } }, '/operations/getTenant/delay: must NOT have additional properties'],
    [{ operations: { getTenant: { delay_ms: 30_001 } } }, '/operations/getTenant/delay_ms: must be <= 30000'],
    [{ operations: { getTenant: { fault: 'nope' } } }, '/operations/getTenant/fault: must be equal to one of'],
    [
      { operations: { getTenant: { rate: 0.5 } } },
      '/operations/getTenant: must have property fault when property rate',
    ],
    [{ operations: { getTenant: { fault: 'reset', rate: 2 } } }, '/operations/getTenant/rate: must be <= 1'],
    [{ operations: { getTennant: {} } }, '/operations/getTennant: there is no such operation'],
    [
      { operations: { '*': { rate_limit: { limit: 1 } } } },
      "/operations/*/rate_limit: must have required property 'window_s'",
    ],
  ])('%j is refused', (config, message) => {
    expect(() => checkConfig(config, ['getTenant'])).toThrow(message)
  })

  test('a file that is no configuration is named', () => {
    const folder = mkdtempSync(join(tmpdir(), 'skeldir mocks '))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'faults.json')
    expect(() => readConfig(file)).toThrow(`${file} cannot be read: ENOENT`)
    writeFileSync(file, '{"operations": {,}}')
    expect(() => readConfig(file)).toThrow(`${file} is not JSON: `)
  })
})
