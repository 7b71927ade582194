import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type OperationRow, operations } from '../../generated/operations.ts'
import { CHECKS, isAbout, readNarrowed } from '../../scripts/contracts/fuzz/narrowed.ts'
import { planRoles } from '../../scripts/contracts/fuzz/plan.ts'
import { judge } from '../../scripts/contracts/fuzz/prove.ts'
import { countFailures, type Outcome, toJson, toJunit, toText } from '../../scripts/contracts/fuzz/report.ts'
import { mergeRoles, readEvents, toCurl } from '../../scripts/contracts/fuzz/results.ts'
import { accessOf, homeOf, ROLES } from '../../scripts/contracts/fuzz/roles.ts'
import { SCHEMATHESIS_VERSION } from '../../scripts/contracts/fuzz/runner.ts'
import { expectedOf, toConfig } from '../../scripts/contracts/fuzz/settings.ts'

const rows: Record<string, OperationRow> = operations
const row = (id: string) => rows[id] as OperationRow
const ids = new Set(Object.keys(operations))
const fuzzFolder = join(import.meta.dirname, '../../scripts/contracts/fuzz')

describe('roles', () => {
  test.each([
    ['anonymous', 'getLiveness', 'allowed'],
    ['anonymous', 'verifyToken', 'refused401'],
    ['viewer', 'getOrderCredits', 'allowed'],
    ['viewer', 'requestRecompute', 'refused403'],
    ['admin', 'requestRecompute', 'allowed'],
    ['manager', 'ingestTouchpoints', 'refused401'],
    ['key', 'ingestTouchpoints', 'allowed'],
    ['vendor', 'ingestTouchpoints', 'refused401'],
    ['vendor', 'receiveStripeWebhook', 'allowed'],
    ['key', 'receiveStripeWebhook', 'refused401'],
  ] as const)('%s and %s: %s', (role, id, access) => {
    expect(accessOf(role, row(id))).toBe(access)
  })

  test.each([
    ['login', 'anonymous'],
    ['getOrderCredits', 'viewer'],
    ['requestRecompute', 'manager'],
    ['ingestTouchpoints', 'key'],
    ['receiveShopifyWebhook', 'vendor'],
  ] as const)('%s is tried in full as %s', (id, role) => {
    expect(homeOf(row(id))).toBe(role)
  })

  test('where a run has nobody who can sign, all are refused, and `anonymous` tries that in full', () => {
    const paypal = new Set(['paypalSignature'])
    expect(accessOf('vendor', row('receivePaypalWebhook'))).toBe('allowed')
    for (const role of ROLES) expect(accessOf(role, row('receivePaypalWebhook'), paypal)).toBe('refused401')
    expect(homeOf(row('receivePaypalWebhook'), paypal)).toBe('anonymous')
    expect(homeOf(row('receiveStripeWebhook'), paypal)).toBe('vendor')
    const [plan] = planRoles({ operations: rows, roles: ['anonymous'], mode: 'smoke', outOfReach: paypal })
    const trial = plan?.trials.find(({ operationId }) => operationId === 'receivePaypalWebhook')
    expect(trial).toMatchObject({ access: 'refused401', boundaries: 4 })
  })

  test('a refused role must be refused, an allowed one must not be', () => {
    expect(expectedOf({ access: 'refused401' }, row('verifyToken'))).toEqual(['401'])
    expect(expectedOf({ access: 'refused403' }, row('requestRecompute'))).toEqual(['403'])
    expect(expectedOf({ access: 'allowed' }, row('verifyToken'))).toEqual(['2xx', '3xx'])
    expect(expectedOf({ access: 'allowed' }, row('getOrderCredits'))).toEqual(['2xx', '3xx', '404'])
    expect(expectedOf({ access: 'allowed' }, row('login'))).toContain('401')
  })
})

describe('plan', () => {
  test.each(['smoke', 'full'] as const)('%s: every operation is tried with boundaries and random cases', (mode) => {
    const trials = planRoles({ operations: rows, roles: ROLES, mode }).flatMap((plan) => plan.trials)
    const inFull = new Set(
      trials.filter(({ boundaries, fuzzing }) => boundaries > 0 && fuzzing > 0).map((trial) => trial.operationId),
    )
    expect([...ids].filter((id) => !inFull.has(id))).toEqual([])
  })

  test('a role without anything to try is left out', () => {
    const plans = planRoles({ operations: { getLiveness: row('getLiveness') }, roles: ROLES, mode: 'smoke' })
    expect(plans.map(({ role }) => role)).toEqual(['anonymous'])
  })

  test('more operations get fewer random cases each', () => {
    const most = (names: string[]) => {
      const some = Object.fromEntries(names.map((id) => [id, row(id)]))
      return Math.max(
        ...planRoles({ operations: some, roles: ROLES, mode: 'full' }).flatMap(({ trials }) =>
          trials.map(({ fuzzing }) => fuzzing),
        ),
      )
    }
    expect(most([...ids])).toBeLessThan(most(['getLiveness', 'login']))
  })

  test('the configuration names every operation once, and switches off what is not in the plan', () => {
    const [plan] = planRoles({ operations: { getLiveness: row('getLiveness') }, roles: ['anonymous'], mode: 'smoke' })
    if (plan === undefined) throw new Error('no plan')
    const off = {
      operationId: 'getLiveness',
      check: 'unsupported_method' as const,
      reason: 'for the sake of this test',
    }
    const text = toConfig({ url: 'http://127.0.0.1:1', seed: 7, plan, operations: rows, narrowed: [off] })
    const sections = text.split('[[operations]]\n').slice(1)
    expect(sections).toHaveLength(ids.size)
    expect(sections.filter((section) => section.split('\n')[1] !== 'enabled = false')).toHaveLength(1)
    expect(sections.find((section) => section.includes('"getLiveness"'))).toContain(
      'checks.unsupported_method.enabled = false',
    )
    expect(text).toContain('seed = 7')
    for (const check of CHECKS) expect(text).toContain(`[checks.${check}]\nenabled = true`)
  })
})

function writeTemporary(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-fuzz-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'narrowed.json')
  writeFileSync(file, text)
  return file
}

describe('narrowed.json', () => {
  test('names operations and checks that exist, with reasons', () => {
    expect(readNarrowed(ids).length).toBeGreaterThan(0)
  })

  test('one entry can be about several operations', () => {
    const entry = {
      operationId: ['login', 'logout'],
      check: 'unsupported_method' as const,
      reason: 'for the sake of this test',
    }
    expect(readNarrowed(ids, writeTemporary(JSON.stringify([entry])))).toEqual([entry])
    expect(['login', 'logout', 'getTenant'].map((id) => isAbout(entry, id))).toEqual([true, true, false])
    const plan = planRoles({ operations: rows, roles: ['viewer'], mode: 'smoke' })[0]
    if (plan === undefined) throw new Error('no plan')
    const text = toConfig({ url: 'http://127.0.0.1:1', seed: 7, plan, operations: rows, narrowed: [entry] })
    expect(text.split('[[operations]]').find((section) => section.includes('"logout"'))).toContain(
      'checks.unsupported_method.enabled = false',
    )
  })

  test('hooks.py knows the checks whose answers can be narrowed, and every mark of an answer', () => {
    const hooks = readFileSync(join(fuzzFolder, 'hooks.py'), 'utf8')
    for (const { check, when } of readNarrowed(ids)) {
      if (when === undefined) continue
      expect(hooks).toContain(`": "${check}"`)
      for (const mark of Object.keys(when)) expect(hooks).toContain(`"${mark}"`)
    }
  })

  test.each([
    [
      'an unknown operation',
      { operationId: 'gone', check: 'ignored_auth', reason: 'long enough to be a reason' },
      /no operation gone/,
    ],
    [
      'an unknown check',
      { operationId: 'login', check: 'luck', reason: 'long enough to be a reason' },
      /no check luck/,
    ],
    ['no reason', { operationId: 'login', check: 'ignored_auth', reason: '' }, /needs a reason/],
    [
      'a check off everywhere',
      { operationId: '*', check: 'ignored_auth', reason: 'long enough to be a reason' },
      /for all operations/,
    ],
    [
      'an unknown operation among several',
      { operationId: ['login', 'gone'], check: 'ignored_auth', reason: 'long enough to be a reason' },
      /no operation gone/,
    ],
    [
      'an operation named twice',
      { operationId: ['login', 'login'], check: 'ignored_auth', reason: 'long enough to be a reason' },
      /named twice/,
    ],
    [
      'an empty list',
      { operationId: [], check: 'ignored_auth', reason: 'long enough to be a reason' },
      /names no operation/,
    ],
    [
      'an answer for a check of statuses',
      {
        operationId: 'login',
        check: 'status_code_conformance',
        reason: 'long enough to be a reason',
        when: { status: 200, codes: ['x'] },
      },
      /has no "when"/,
    ],
    [
      'an answer without a mark',
      {
        operationId: 'login',
        check: 'positive_data_acceptance',
        reason: 'long enough to be a reason',
        when: { status: 422 },
      },
      /needs codes or result/,
    ],
  ])('%s is refused', (_, entry, message) => {
    expect(() => readNarrowed(ids, writeTemporary(JSON.stringify([entry])))).toThrow(message)
  })
})

const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64')
const request = (uri = 'http://127.0.0.1:1/health/live') => ({
  method: 'GET',
  uri,
  headers: { Accept: ['*/*'], 'User-Agent': ['schemathesis'] },
})

function scenario(label: string, cases: { status: number; check?: string; path?: string; method?: string }[]): string {
  const entries = cases.map((one, index) => [`c${index}`, one] as const)
  const recorder = {
    label,
    cases: Object.fromEntries(
      entries.map(([id, { path, method }]) => [
        id,
        { value: { method: method ?? 'GET', path: path ?? '/health/live' } },
      ]),
    ),
    interactions: Object.fromEntries(
      entries.map(([id, { status }]) => [id, { request: request(), response: { status_code: status } }]),
    ),
    checks: Object.fromEntries(
      entries.map(([id, { check }]) => {
        const failure = { failure: { title: 'Wrong', message: 'It is wrong' } }
        return [
          id,
          check === undefined
            ? [{ name: 'x', status: 'success' }]
            : [{ name: check, status: 'failure', failure_info: failure }],
        ]
      }),
    ),
  }
  return JSON.stringify({ ScenarioFinished: { phase: 'fuzzing', recorder } })
}

const idOf = (label: string) => (label === 'GET /health/live' ? 'getLiveness' : undefined)

describe('results', () => {
  test('calls and statuses are counted, equal failures once', async () => {
    const lines = [
      scenario('GET /health/live', [
        { status: 200 },
        { status: 203, check: 'status_code_conformance' },
        { status: 203, check: 'status_code_conformance' },
      ]),
      scenario('Stateful tests', [{ status: 200 }]),
      JSON.stringify({ EngineFinished: {} }),
    ]
    const viewer = await readEvents(lines, 'viewer', idOf)
    const admin = await readEvents(lines, 'admin', idOf)
    expect(viewer.isComplete).toBe(true)
    const [merged, ...others] = mergeRoles([viewer, admin])
    expect(others).toEqual([])
    expect(merged).toMatchObject({
      operationId: 'getLiveness',
      calls: 8,
      successes: 8,
      roles: { viewer: 4, admin: 4 },
      statuses: { 200: 4, 203: 4 },
    })
    expect(merged?.failures).toMatchObject([
      { role: 'viewer', check: 'status_code_conformance', count: 2, status: 203 },
      { role: 'admin', check: 'status_code_conformance', count: 2 },
    ])
  })

  test('a success is one of the operation’s own method', async () => {
    const cases = [{ status: 204, method: 'OPTIONS' }, { status: 401 }, { status: 302 }]
    const { operations: found } = await readEvents([scenario('GET /health/live', cases)], 'viewer', idOf)
    expect(found.get('getLiveness')).toMatchObject({ calls: 3, successes: 1 })
  })

  test('what Schemathesis could not try is a failure, a role without sequences is not', async () => {
    const error = (type: string, label: string) =>
      JSON.stringify({ NonFatalError: { label, value: { type, message: 'why' } } })
    const { operations: found, isComplete } = await readEvents(
      [error('Unsatisfiable', 'GET /health/live'), error('NoLinksFound', 'Stateful tests')],
      'key',
      idOf,
    )
    expect(isComplete).toBe(false)
    expect([...found.values()].flatMap(({ failures }) => failures)).toMatchObject([
      { operationId: 'getLiveness', check: 'error' },
    ])
  })

  test.each([
    ['quotes', { body: { $base64: base64(`{"a":"it's"}`) } }, `{"a":"it's"}`],
    ['a leading @', { body: { $base64: base64('@file') } }, '@file'],
    ['bytes that are no text', { body: { $base64: base64(Buffer.from([0xff, 0x00, 0x41])) } }, '\ufffd'],
  ])('curl: %s arrive as they were sent', (_, extra, expected) => {
    const command = toCurl({
      ...request(),
      method: 'POST',
      headers: { 'X-Note': ["a'b; $(id)"], 'X-Empty': [''] },
      ...extra,
    })
    // A curl that prints what it got, in a real shell.
    const script = `curl() { for a in "$@"; do printf '<%s>' "$a"; if [ "$a" = "@-" ]; then cat; fi; done; }\n${command}`
    const { stdout, status } = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
    expect(status).toBe(0)
    expect(stdout).toContain("<X-Note: a'b; $(id)>")
    expect(stdout).toContain('<X-Empty;>')
    expect(stdout).toContain(expected)
    expect(stdout).toContain('<http://127.0.0.1:1/health/live>')
  })
})

function outcome(failing: boolean, serverErrors: string[] = []): Outcome {
  const failure = {
    role: 'viewer' as const,
    operationId: 'verifyToken',
    check: 'response_schema_conformance',
    title: 'Wrong & <bad>',
    message: 'a\u0000b',
    count: 3,
    status: 200,
    answer: '{"valid":1}',
    curl: "curl 'x'",
  }
  return {
    mode: 'smoke',
    seed: 1,
    url: 'http://127.0.0.1:1',
    runner: { name: 'Python 3.11', schemathesis: SCHEMATHESIS_VERSION },
    operations: [
      {
        operationId: 'getLiveness',
        calls: 5,
        successes: 5,
        roles: { anonymous: 5 },
        statuses: { 200: 5 },
        failures: [],
      },
      {
        operationId: 'verifyToken',
        calls: 7,
        successes: 0,
        roles: { viewer: 7 },
        statuses: { 200: 7 },
        failures: failing ? [failure] : [],
      },
    ],
    skipped: ['later'],
    outOfReach: ['receivePaypalWebhook'],
    narrowed: [
      {
        operationId: '*',
        check: 'positive_data_acceptance',
        reason: 'because',
        when: { status: 400, codes: ['nul'] },
        hits: 2,
      },
    ],
    serverErrors,
    tookMs: 1_500,
  }
}

describe('report', () => {
  test('text: a row for each operation, each failure with its command, and the totals', () => {
    const text = toText(outcome(true))
    expect(text).toMatch(/^getLiveness +5 +5 +0 +anonymous +200 × 5$/m)
    expect(text).toContain('✗ verifyToken as viewer: response_schema_conformance, answered 200 (3 times)')
    expect(text).toContain('answer: {"valid":1}')
    expect(text).toContain("curl 'x'")
    // A log that is cut at its beginning still shows what is wrong.
    expect(text.indexOf('✗ verifyToken')).toBeGreaterThan(text.indexOf('narrowed checks ('))
    expect(text).toContain('No call succeeded: verifyToken\n')
    expect(text).toMatch(/^No role can call with success, .*: receivePaypalWebhook$/m)
    expect(text).toContain('2 operations, 12 calls, 1 failure, 1 narrowed checks, 1 operations not implemented yet')
  })

  test('JSON: totals, and how many checks are narrowed', () => {
    expect(toJson(outcome(true))).toMatchObject({
      ok: false,
      totals: { operations: 2, calls: 12, failures: 1 },
      narrowed: { count: 1 },
      never_succeeded: ['verifyToken'],
      out_of_reach: ['receivePaypalWebhook'],
      skipped: ['later'],
    })
    expect(toJson(outcome(false))).toMatchObject({ ok: true })
  })

  test('an error in the log of the platform is a failure', () => {
    expect(countFailures(outcome(false, ['{"level":50}']))).toBe(1)
  })

  test('JUnit: a suite for each role, escaped, without what XML cannot hold', () => {
    const xml = toJunit(outcome(true))
    expect(xml).toContain('<testsuite name="contracts:fuzz as viewer" tests="1" failures="1"')
    expect(xml).toContain('message="Wrong &amp; &lt;bad&gt;"')
    expect(xml).not.toContain('\u0000')
    expect(xml).toContain('<testcase classname="anonymous" name="getLiveness"/>')
  })
})

describe('proof', () => {
  const found = (operationId: string, check: string) => ({
    operationId,
    calls: 1,
    successes: 1,
    roles: {},
    statuses: {},
    failures: [
      {
        role: 'viewer' as const,
        operationId,
        check,
        title: '',
        message: '',
        count: 1,
        status: 200,
        answer: null,
        curl: null,
      },
    ],
  })

  test('both faults have to be found', () => {
    const { planted, others } = judge({ operations: [found('getLiveness', 'status_code_conformance')] })
    expect(planted.map((one) => one.found)).toEqual([true, false])
    expect(others).toEqual([])
  })

  test('what nobody planted is named', () => {
    expect(judge({ operations: [found('getReadiness', 'not_a_server_error')] }).others).toEqual([
      'getReadiness not_a_server_error',
    ])
  })
})

test('the container and the Python environment run the same version', () => {
  expect(readFileSync(join(fuzzFolder, 'requirements.txt'), 'utf8')).toContain(
    `\nschemathesis==${SCHEMATHESIS_VERSION}\n`,
  )
})

describe('command line', () => {
  const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
    spawnSync(process.execPath, [join(fuzzFolder, '../fuzz.ts'), ...args], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    })

  test('--help', () => {
    expect(run(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('--smoke') })
  })

  test.each([
    [['--role', 'guest'], /no role guest/],
    [['--seed', 'x'], /--seed/],
    [['--operation', 'nothing'], /no operation nothing/],
    [['--url', '::'], /not a URL/],
    [['--fast'], /--fast/],
  ])('%j is refused with status 2', (args, message) => {
    const { status, stderr } = run(args)
    expect(status).toBe(2)
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/^ +at /m)
  })

  test('without Docker and Python: one sentence with what to install, status 2', () => {
    const { status, stderr } = run(['--smoke'], { PATH: '/nowhere' })
    expect(status).toBe(2)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stderr).toMatch(/Docker.*Python 3\.10/)
  })
})
