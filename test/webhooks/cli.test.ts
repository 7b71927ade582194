import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Stripe from 'stripe'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { UsageError } from '../../src/cli/environment.ts'
import { writeRunState } from '../../src/cli/local-state.ts'
import { runWebhooks } from '../../src/cli/webhooks.ts'
import { contractTopics, SIMULATED_VENDORS } from '../../src/webhooks/simulator/contract-topics.ts'
import { childEnvironment } from '../support/child-environment.ts'
import { usePlatform } from '../support/platform.ts'
import { startReceiver } from './receiver.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const platform = usePlatform()
const accept = () => ({ status: 200, body: { result: 'accepted' } })

interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

/** `skeldir webhooks …` in a state folder where nothing runs, unless one is given. */
async function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; ended: Promise<Ended> }> {
  const SKELDIR_HOME = env.SKELDIR_HOME ?? (await makeFolder())
  const child = spawn(process.execPath, ['src/cli/main.ts', 'webhooks', ...args], {
    cwd: root,
    env: { ...childEnvironment(), SKELDIR_HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const text = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text.stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text.stderr += chunk
  })
  const ended = once(child, 'close').then(([status]) => ({ status: status as number | null, ...text }))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, ended }
}

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return (await start(args, env)).ended
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'skeldir-webhooks-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

const CHARGE = ['send', 'stripe', 'charge.succeeded']

describe('webhooks list', () => {
  test('lists what the contract has, as JSON', async () => {
    const { status, stdout } = await run(['list', '--format', 'json'])
    expect(status).toBe(0)
    const listed: { vendor: string; topic: string; schema: string }[] = JSON.parse(stdout)
    for (const vendor of SIMULATED_VENDORS) {
      for (const { topic, schema } of contractTopics(vendor)) {
        expect(listed).toContainEqual(expect.objectContaining({ vendor, topic, schema }))
      }
    }
    // And beyond that only what the contract acknowledges without a name.
    const named = SIMULATED_VENDORS.flatMap((vendor) => contractTopics(vendor).map(({ topic }) => `${vendor} ${topic}`))
    const others = listed.filter(({ vendor, topic }) => !named.includes(`${vendor} ${topic}`))
    for (const { schema } of others) expect(schema).toMatch(/Other(Event|Resource)$/)
  })

  test('lists one vendor as text', async () => {
    const { stdout } = await run(['list', 'shopify'])
    expect(stdout).toMatch(/^shopify\n {2}checkouts\/create /)
    expect(stdout).not.toContain('stripe')
  })
})

describe('webhooks send', () => {
  test('sends, prints a summary and ends with 0', async () => {
    const receiver = await startReceiver(accept)
    const { status, stdout, stderr } = await run([
      ...CHARGE,
      '--to',
      receiver.url.href,
      '--secret',
      's',
      '--count',
      '5',
    ])
    expect({ status, stdout }).toMatchObject({ status: 0 })
    expect(stdout).toMatch(/deliveries {2}5\nrequests {4}5 in .*\nanswers {5}200: 5\nresults {5}accepted: 5\n/)
    // What has no seed can be sent again by the one that was drawn.
    const [, again] = /The same again: (.*)\n/.exec(stderr) ?? []
    const repeat = await run([
      ...CHARGE,
      ...['--to', receiver.url.href, '--secret', 's', '--count', '5', '--concurrency', '1'],
      ...(again ?? '').split(' '),
    ])
    expect(repeat.status).toBe(0)
    const bodies = receiver.received.map(({ body }) => body.toString()).toSorted()
    expect(bodies.filter((_, index) => index % 2 === 0)).toEqual(bodies.filter((_, index) => index % 2 === 1))
  })

  test('says as JSON what came back, and ends with 1 when it was not what it should be', async () => {
    const receiver = await startReceiver(() => ({ status: 500 }))
    const { status, stdout } = await run([
      ...CHARGE,
      ...['--to', receiver.url.href, '--secret', 's', '--seed', '3', '--count', '2', '--format', 'json'],
    ])
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      vendor: 'stripe',
      topic: 'charge.succeeded',
      seed: 3,
      ok: false,
      deliveries: 2,
      statuses: { 500: 2 },
      unexpected: 2,
      latency_ms: { p50: expect.any(Number), p99: expect.any(Number) },
    })
  })

  test('ends with 0 when what is forged is refused', async () => {
    const { webhooks } = new Stripe('sk_test_never_used')
    const receiver = await startReceiver(({ headers, body }) => {
      try {
        webhooks.constructEvent(body, headers['Stripe-Signature'] ?? '', 'whsec_of_the_test')
        return accept()
      } catch {
        return { status: 401 }
      }
    })
    const common = [...CHARGE, '--to', receiver.url.href, '--endpoint-secret-env', 'HOOK', '--count', '3']
    const env = { HOOK: 'whsec_of_the_test' }
    const statuses = await Promise.all(
      [[], ['--tamper'], ['--tamper', 'header'], ['--old']].map((forging) => run([...common, ...forging], env)),
    )
    expect(statuses.map(({ status }) => status)).toEqual([0, 0, 0, 0])
    expect(statuses.map(({ stdout }) => /answers\s+(.*)\n/.exec(stdout)?.[1])).toEqual([
      '200: 3',
      '401: 3',
      '401: 3',
      '401: 3',
    ])
  })

  test('serves the certificate for as long as it sends', async () => {
    const receiver = await startReceiver(async ({ headers }) => {
      const answer = await fetch(headers['PAYPAL-CERT-URL'] ?? '')
      return { status: (await answer.text()).startsWith('-----BEGIN CERTIFICATE-----') ? 200 : 401 }
    })
    const { status } = await run([
      ...['send', 'paypal', 'PAYMENT.CAPTURE.COMPLETED', '--to', receiver.url.href, '--secret', 'WH-1'],
    ])
    expect(status).toBe(0)
    await expect(fetch(receiver.received[0]?.headers['PAYPAL-CERT-URL'] ?? '')).rejects.toThrow()
  })

  test('ends with its summary when it is interrupted, and shows how far it is before', async () => {
    const receiver = await startReceiver(accept)
    const { child, ended } = await start([
      ...CHARGE,
      ...['--to', receiver.url.href, '--secret', 's', '--seed', '1', '--count', '100000', '--rate', '20'],
    ])
    await new Promise<void>((resolve) => {
      let seen = ''
      child.stderr?.on('data', (chunk: string) => {
        seen += chunk
        if (/\d+ deliveries, \d+ requests, 0 unexpected\n/.test(seen)) resolve()
      })
    })
    child.kill('SIGINT')
    const { status, stdout } = await ended
    expect(status).toBe(130)
    expect(stdout).toMatch(/answers {5}200: \d+\n/)
    expect(stdout).toContain('interrupted before all was sent')
  })
})

describe('webhooks send --print', () => {
  test('prints what would be sent, the same for the same seed, and sends nothing', async () => {
    const args = ['send', 'shopify', 'orders/paid', '--seed', '4', '--secret', 's']
    const [once, again] = await Promise.all([run([...args, '--print']), run([...args, '--print'])])
    expect(once).toEqual(again)
    expect(once.stdout).toMatch(/^Content-Type: application\/json\n[^{]*X-Shopify-Hmac-Sha256: .{44}\n\n\{"id":\d{18},/)
    const [headers, body] = await Promise.all([run([...args, '--print=headers']), run([...args, '--print', 'body'])])
    expect(`${headers.stdout}\n${body.stdout}\n`).toBe(once.stdout)
  })

  test('prints JSON, with the certificate of PayPal', async () => {
    const { stdout } = await run([
      'send',
      'paypal',
      'CHECKOUT.ORDER.APPROVED',
      '--secret',
      'W',
      '--print',
      '--format',
      'json',
    ])
    const { headers, body, certificate } = JSON.parse(stdout)
    expect(headers['PAYPAL-CERT-URL']).toMatch(/^http:\/\/127\.0\.0\.1\/v1\/notifications\/certs\/CERT-/)
    expect(JSON.parse(body).event_type).toBe('CHECKOUT.ORDER.APPROVED')
    expect(certificate).toContain('BEGIN CERTIFICATE')
  })

  test('into a pipe that is closed early is no error', async () => {
    const { child, ended } = await start([...CHARGE, '--secret', 's', '--print', '--count', '2000'])
    child.stdout?.destroy()
    const { status, stderr } = await ended
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: '' })
  })
})

describe('wrong options', () => {
  test.each([
    [CHARGE, '--to is missing, and no platform runs here (npm start)'],
    [[...CHARGE, '--to', 'http://127.0.0.1:1/'], "--secret is missing: the endpoint's signing secret"],
    [['send', 'paypal', 'PAYMENT.SALE.COMPLETED', '--to', 'http://127.0.0.1:1/'], 'the id of the webhook'],
    [[...CHARGE, '--to', 'http://example.com/', '--secret', 's'], 'add --yes-remote if that is meant'],
    [[...CHARGE, '--print'], '--secret is missing'],
    [['send', 'stripe', 'charge.paid'], 'stripe has no topic "charge.paid"; near it: charge.'],
    [[...CHARGE, '--amount', '1.234', '--secret', 's', '--to', 'http://127.0.0.1:1/'], 'more than 2 decimals in USD'],
    [['post'], 'there is no "webhooks post"'],
    [['list', 'stripe', 'paypal'], 'webhooks list takes one vendor'],
  ])('%j: %s', async (args, sentence) => {
    vi.stubEnv('SKELDIR_HOME', await makeFolder())
    onTestFinished(() => void vi.unstubAllEnvs())
    const error = await runWebhooks(args).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(UsageError)
    expect((error as Error).message).toContain(sentence)
  })

  test('end with 2, one sentence and nothing on stdout', async () => {
    const { status, stdout, stderr } = await run(['send', 'stripe', 'charge.paid'])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^skeldir: stripe has no topic "charge\.paid"; near it: .*\nTry: npx skeldir --help\n$/)
  })
})

test('a receiver that cannot be reached ends with 1', async () => {
  const { status, stdout } = await run([...CHARGE, '--to', 'http://127.0.0.1:1/', '--secret', 's', '--seed', '1'])
  expect({ status, stdout }).toMatchObject({ status: 1, stdout: expect.stringContaining('ECONNREFUSED: 1') })
})

test('help ends with 0', async () => {
  const { status, stdout } = await run(['send', '--help'])
  expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('--create-endpoint') })
})

describe('with a platform that runs here', () => {
  async function runningHere(): Promise<string> {
    const folder = await makeFolder()
    writeRunState(
      { folder, dataDir: join(folder, 'data') },
      {
        version: '0',
        pid: process.pid,
        started_at: new Date().toISOString(),
        api: { pid: process.pid, url: platform.url },
        worker: { pid: null },
        postgres: null,
        mocks: null,
        docs_url: `${platform.url}/docs`,
        health_url: `${platform.url}/health`,
      },
    )
    return folder
  }

  test('says what to type', async () => {
    const { status, stderr } = await run(CHARGE, { SKELDIR_HOME: await runningHere() })
    expect(status).toBe(2)
    expect(stderr).toContain(`A platform runs at ${platform.url}`)
    expect(stderr).toContain('SKELDIR_PASSWORD=… skeldir webhooks send stripe charge.succeeded --create-endpoint')
    expect(stderr).toContain(`--to ${platform.url}/api/webhooks/stripe/in/KEY --secret S`)
  })

  test.each([
    ['stripe', 'charge.succeeded'],
    ['shopify', 'orders/paid'],
  ])('makes an endpoint for %s and sends to it', async (vendor, topic) => {
    const { slug, email, password, tenantId } = await platform.createTenant()
    const env = { SKELDIR_HOME: await runningHere(), SKELDIR_PASSWORD: password }
    const { status, stdout, stderr } = await run(
      ['send', vendor, topic, '--create-endpoint', '--tenant', slug, '--email', email, '--count', '3', '--duplicate'],
      env,
    )
    expect({ status, stdout, stderr }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('accepted: 3, duplicate: 3'),
    })
    const [, to, secret] = /--to (\S+) --secret '(\S+)'/.exec(stderr) ?? []
    const again = await run(['send', vendor, topic, '--to', to ?? '', '--secret', secret ?? '', '--tamper'])
    expect(again.stdout).toContain('401: 1')
    const stored = await platform.query('select from webhook_events where tenant_id = $1', [tenantId])
    expect(stored).toHaveLength(3)
  })

  test('a wrong password is said, and ends with 1', async () => {
    const { slug, email } = await platform.createTenant()
    const args = [...CHARGE, '--create-endpoint', '--tenant', slug, '--email', email]
    const { status, stderr } = await run(args, {
      SKELDIR_HOME: await runningHere(),
      SKELDIR_PASSWORD: 'another password',
    })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^skeldir: POST http:\S+\/api\/auth\/login answered 401: /)
  })

  test('a tenant key leads to the path of the topic', async () => {
    const receiver = await startReceiver(accept)
    const args = ['--to', receiver.url.origin, '--secret', 's', '--tenant-key', 'skd_key']
    const topics = [
      ['stripe', 'charge.succeeded', '/api/webhooks/stripe/charge/succeeded'],
      ['woocommerce', 'order.completed', '/api/webhooks/woocommerce/order_completed'],
    ] as const
    for (const [vendor, topic, path] of topics) {
      expect((await run(['send', vendor, topic, ...args])).status).toBe(0)
      const last = receiver.received.at(-1)
      expect(last?.request.url).toBe(path)
      expect(last?.headers['X-Skeldir-Tenant-Key']).toBe('skd_key')
    }
    const { status, stderr } = await run(['send', 'stripe', 'invoice.paid', ...args])
    expect({ status, stderr }).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('the contract has no path for invoice.paid alone'),
    })
  })

  test('a file of a platform that is gone counts for nothing', async () => {
    const folder = await runningHere()
    const gone = { pid: 2 ** 22 + 1, start_ticks: '1', api: { pid: null, url: 'http://127.0.0.1:1' } }
    await writeFile(join(folder, 'run.json'), JSON.stringify(gone))
    const { stderr } = await run(CHARGE, { SKELDIR_HOME: folder })
    expect(stderr).toContain('no platform runs here')
  })
})
