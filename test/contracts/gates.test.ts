import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freezeBaseline } from '../../scripts/contracts/baseline.ts'
import { gates } from '../../scripts/contracts/gates.ts'
import { insertRules, renderRules } from '../../scripts/contracts/rules-markdown.ts'
import { isWhole, shareOf } from '../support/share.ts'
import { contractWorkspace, documentOf, emptyWorkspace, V1 } from './workspace.ts'

const HEALTH = `${V1}/health.yaml`
const AUTH = `${V1}/auth.yaml`

test('every rule names its gate, has an id of its own and says what must hold', () => {
  const rules = gates.flatMap((gate) => gate.rules.map((rule) => ({ gate: gate.name, rule })))
  expect(rules.length).toBeGreaterThan(50)
  for (const { gate, rule } of rules) {
    expect(rule.gate).toBe(gate)
    expect(rule.id.startsWith(`${gate}/`), rule.id).toBe(true)
    expect(rule.description).toMatch(/\.$/)
  }
  expect(new Set(rules.map(({ rule }) => rule.id)).size).toBe(rules.length)
})

test('every gate stands after those it needs', () => {
  const seen = new Set<string>()
  for (const { name, needs } of gates) {
    for (const other of needs) expect(seen, `${name} needs ${other}`).toContain(other)
    seen.add(name)
  }
})

// `npm run contracts:check` says the same of the repository, with every gate.
test.runIf(isWhole())('the gates of the documents pass on the repository', async () => {
  const {
    gates: reports,
    operations,
    statuses,
    examples,
  } = await contractWorkspace().check({
    gates: ['document', 'bundle', 'examples', 'error-model', 'validators', 'types'],
  })
  expect(reports.map(({ name, status, findings }) => ({ name, status, findings }))).toEqual(
    reports.map(({ name }) => ({ name, status: 'pass', findings: [] })),
  )
  expect(operations).toBeGreaterThan(10)
  expect(statuses).toBeGreaterThan(5 * operations)
  expect(examples).toBeGreaterThan(2 * statuses)
})

describe('examples', () => {
  test.for(
    shareOf<[string, string, string, string, number, RegExp]>(
      [
        [
          'a body that does not fit',
          HEALTH,
          'value: { status: alive }',
          'value: { status: undead }',
          0,
          /getLiveness 200 application\/json #alive: \/status/,
        ],
        [
          'a body with a property of nobody',
          HEALTH,
          'value: { status: alive }',
          'value: { status: alive, mood: good }',
          0,
          /additional properties: mood/,
        ],
        [
          'a header',
          `${V1}/_common/headers.yaml`,
          'example: 163abffd-b49e-44aa-9a0f-2e11d97d5317',
          'example: no-uuid',
          0,
          /header X-Correlation-ID: the value must match format "uuid"/,
        ],
        [
          'a parameter',
          `${V1}/_common/parameters.yaml`,
          'example: 163abffd-b49e-44aa-9a0f-2e11d97d5317',
          'example: no-uuid',
          0,
          /parameter X-Correlation-ID/,
        ],
        [
          'an error answer',
          `${V1}/_common/responses.yaml`,
          'status: 406',
          "status: '406'",
          0,
          /406 application\/problem\+json #not_acceptable: \/status must be integer/,
        ],
        [
          'a body without a name',
          HEALTH,
          '              examples:\n                alive:\n                  value: { status: alive }\n',
          '              example: { status: alive }\n',
          0,
          /give the example a name/,
        ],
        [
          'a name without a value',
          HEALTH,
          'value: { status: alive }',
          'summary: Alive',
          -1,
          /getLiveness 200 application\/json #alive has no `value`/,
        ],
        [
          'no example at all',
          HEALTH,
          '              examples:\n                alive:\n                  value: { status: alive }\n',
          '',
          -2,
          /getLiveness 200 application\/json has no example/,
        ],
      ],
      2,
      'faults of examples',
    ),
  )('%s', async ([, file, from, to, below, message]) => {
    const workspace = contractWorkspace()
    const line = workspace.edit(file, from, to) + below
    const errors = await workspace.errors('examples')
    expect(new Set(errors.map((finding) => `${finding.file}:${finding.line}`))).toEqual(new Set([`${file}:${line}`]))
    expect(errors[0]?.message).toMatch(message)
  })
})

describe('error-model', () => {
  const PROBLEMS = `${V1}/_common/problems.yaml`
  const RESPONSES = `${V1}/_common/responses.yaml`
  test.for(
    shareOf<[string, string, string, string, number, string, RegExp]>(
      [
        ['a code without a title', PROBLEMS, '    title: Not found\n', '', -2, 'registry', /not_found needs a title/],
        [
          'a status that is no error',
          PROBLEMS,
          '    status: 404\n',
          '    status: 200\n',
          0,
          'registry',
          /not_found needs a status of 400 to 599/,
        ],
        [
          'a code that the enum lacks',
          PROBLEMS,
          '  method_not_allowed:\n',
          '  teapot:\n    status: 405\n    title: Teapot\n    description: Short and stout.\n  method_not_allowed:\n',
          NaN,
          'enum',
          /the enum lacks teapot/,
        ],
        [
          'a code that nobody uses',
          PROBLEMS,
          '    status: 405\n',
          '    status: 400\n',
          -1,
          'used',
          /no answer has an example with the code method_not_allowed/,
        ],
        [
          'an example with the code of another status',
          RESPONSES,
          'code: not_acceptable',
          'code: not_found',
          0,
          'examples',
          /not_found has the status 404, and stands under 406/,
        ],
        [
          'an example of another type',
          RESPONSES,
          'type: /docs/problems/not_acceptable',
          'type: about:blank',
          0,
          'examples',
          /the type of not_acceptable is/,
        ],
        [
          'an example of another title',
          RESPONSES,
          'title: Not acceptable',
          'title: Nope',
          0,
          'examples',
          /the title of not_acceptable is "Not acceptable"/,
        ],
        [
          'an example that says another status',
          RESPONSES,
          'status: 406',
          'status: 405',
          0,
          'examples',
          /the status is 405, and it stands under 406/,
        ],
        [
          'an error that is plain JSON',
          RESPONSES,
          '        application/problem+json:',
          '        application/json:',
          -1,
          'schema',
          /400 must be application\/problem\+json/,
        ],
      ],
      2,
      'faults of the error model',
    ),
  )('%s', async ([, file, from, to, below, rule, message]) => {
    const workspace = contractWorkspace()
    const line = workspace.edit(file, from, to) + below
    const errors = await workspace.errors('error-model')
    const found = errors.find((finding) => finding.rule === `error-model/${rule}` && message.test(finding.message))
    expect(found, JSON.stringify(errors)).toBeDefined()
    if (!Number.isNaN(below)) expect(`${found?.file}:${found?.line}`).toBe(`${file}:${line}`)
  })
})

test('bundle: two documents that mean different things by one name are found', async () => {
  const workspace = contractWorkspace()
  workspace.edit(
    HEALTH,
    '    Liveness:\n',
    '    LoginRequest:\n      type: object\n      additionalProperties: false\n    Liveness:\n',
  )
  const [error] = await workspace.errors('bundle')
  expect(error).toMatchObject({
    rule: 'bundle/joins',
    file: HEALTH,
    message: expect.stringContaining('schemas/LoginRequest differs'),
  })
})

test('validators: a keyword that Ajv does not know is found', async () => {
  const workspace = contractWorkspace()
  const line = workspace.edit(
    AUTH,
    'valid: { type: boolean, const: true }',
    'valid: { type: boolean, const: true, maxLen: 3 }',
  )
  const errors = await workspace.errors('validators')
  expect(errors).toMatchObject([
    { rule: 'validators/compile', file: AUTH, line, message: expect.stringContaining('maxLen') },
  ])
})

test('types: a seam that does not fit the types is found', async () => {
  const workspace = contractWorkspace('generated', 'src')
  const line = workspace.edit('src/contract.ts', 'keyof Table & keyof Api', 'keyof Table & keyof Api & keyof Gone')
  expect(await workspace.errors('types')).toMatchObject([
    {
      rule: 'types/compile',
      file: 'src/contract.ts',
      line,
      message: expect.stringContaining("Cannot find name 'Gone'"),
    },
  ])
})

test('generated: a stale, a missing and a left-over file are found', async () => {
  const workspace = contractWorkspace('generated')
  const line = workspace.edit('generated/api.ts', 'login: {', 'logIn: {')
  workspace.write('generated/bundles/gone.json', '{}')
  workspace.write('generated/client/gone.js', '')
  workspace.write('generated/problems.ts', '')
  const errors = await workspace.errors('generated')
  expect(errors.map((finding) => `${finding.file}:${finding.line}`)).toEqual([
    `generated/api.ts:${line}`,
    'generated/bundles/gone.json:1',
    'generated/client/gone.js:1',
    'generated/problems.ts:1',
  ])
})

describe('routes', () => {
  const routes = async (edit: (workspace: ReturnType<typeof contractWorkspace>) => void) => {
    const workspace = contractWorkspace('generated', 'src')
    edit(workspace)
    return (await workspace.errors('routes')).map(({ rule, file, line, message }) => ({
      rule,
      at: `${file}:${line}`,
      message,
    }))
  }

  test.runIf(isWhole())('the server serves what is documented, and nothing else', async () => {
    expect(await routes(() => undefined)).toEqual([])
  })

  const faults: Record<string, () => Promise<void>> = {
    'an operation without a handler': async () => {
      const found = await routes((workspace) =>
        workspace.edit(
          'src/auth/handlers.ts',
          'export const authHandlers = {',
          'export const authHandlers = {} as never\nexport const rest = {',
        ),
      )
      expect(found.map(({ rule, message }) => `${rule} ${message}`)).toContain(
        'routes/handlers the operation verifyToken has no handler',
      )
      expect(found[0]?.at).toMatch(/^src\/auth\/handlers\.ts:\d+$/)
    },

    'a handler without an operation': async () => {
      let line = 0
      const found = await routes((workspace) => {
        line =
          workspace.edit(
            'src/auth/handlers.ts',
            'export const authHandlers = {',
            'export const authHandlers = {\n  forgotten: async () => ({ status: 200 }),',
          ) + 1
      })
      expect(found).toEqual([
        {
          rule: 'routes/handlers',
          at: `src/auth/handlers.ts:${line}`,
          message: 'the handler forgotten has no operation',
        },
      ])
    },

    'a route of Express that nobody documented': async () => {
      let line = 0
      const found = await routes((workspace) => {
        line = workspace.edit(
          'src/http/server.ts',
          '  app.use(engine)',
          "  app.get('/internal/state', (_req, res) => void res.json({}))\n  app.use(engine)",
        )
      })
      expect(found).toEqual([
        {
          rule: 'routes/shadow',
          at: `src/http/server.ts:${line}`,
          message: expect.stringContaining('GET /internal/state is served'),
        },
      ])
    },

    'a route of the router that nobody documented': async () => {
      let line = 0
      const found = await routes((workspace) => {
        line = workspace.edit(
          'src/http/engine.ts',
          '    ...options.staticRoutes.map(',
          "    { method: 'GET', path: '/secret', target: { file: options.staticRoutes[0] as StaticRoute } },\n    ...options.staticRoutes.map(",
        )
      })
      expect(found).toEqual([
        { rule: 'routes/shadow', at: `src/http/engine.ts:${line}`, message: expect.stringContaining('GET /secret') },
      ])
    },

    'a middleware that answers other methods': async () => {
      const found = await routes((workspace) => {
        workspace.edit(
          'src/http/server.ts',
          '  app.use(engine)',
          "  app.use((req, res, next) => (req.method === 'DELETE' && req.path === '/health/live' ? void res.json({}) : next()))\n  app.use(engine)",
        )
      })
      expect(found).toEqual([
        {
          rule: 'routes/methods',
          at: expect.stringMatching(/^api-contracts\/openapi\/v1\/health\.yaml:\d+$/),
          message: 'DELETE /health/live is answered 200; it must be 405 with the methods of the path',
        },
      ])
    },

    'a server that cannot be loaded': async () => {
      const found = await routes((workspace) =>
        workspace.edit('src/auth/handlers.ts', "from './service.ts'", "from './gone.ts'"),
      )
      expect(found).toMatchObject([
        { rule: 'routes/handlers', message: expect.stringContaining('the server cannot be loaded') },
      ])
    },
  }
  test.for(shareOf(Object.entries(faults), 1, 'routes'))('%s', ([, find]) => find())
})

describe('breaking and changelog', () => {
  const stable = (text: string) => text.replaceAll('x-stability: draft', 'x-stability: stable')
  const VERSION = /version: \d+\.\d+\.\d+/

  async function frozen(version: string) {
    const workspace = emptyWorkspace()
    const source = contractWorkspace()
    for (const name of [
      '_common/schemas',
      '_common/headers',
      '_common/parameters',
      '_common/problems',
      '_common/responses',
      '_common/security',
      'health',
    ]) {
      workspace.write(
        `${V1}/${name}.yaml`,
        stable(source.read(`${V1}/${name}.yaml`)).replace(VERSION, `version: ${version}`),
      )
    }
    expect(await freezeBaseline(workspace.root)).toBe(`api-contracts/baselines/${version}/openapi.json`)
    return workspace
  }
  const breakIt = "value: { status: alive }\n        '406'"

  test('a frozen contract is never written again', async () => {
    const workspace = await frozen('1.0.0')
    await expect(freezeBaseline(workspace.root)).rejects.toThrow(/1\.0\.0\/openapi\.json exists/)
  })

  test('nothing changed: both pass', async () => {
    expect(await (await frozen('1.0.0')).errors('breaking')).toEqual([])
  })

  test.for(
    shareOf<[string, string, string | null, string[]]>(
      [
        ['without a step', '1.0.0', null, ['error']],
        ['with a minor step', '1.0.0', '1.1.0', ['error']],
        ['with a major step', '1.0.0', '2.0.0', ['notice']],
        ['before 1.0.0', '0.1.0', null, ['notice']],
        ['with a step back', '1.0.0', '0.9.0', ['error', 'notice']],
      ],
      2,
      'breaking changes',
    ),
  )('a breaking change %s', async ([, version, next, severities]) => {
    const workspace = await frozen(version)
    const line = workspace.edit(
      HEALTH,
      `${breakIt}: { $ref: '_common/responses.yaml#/components/responses/NotAcceptable' }\n`,
      'value: { status: alive }\n',
    )
    if (next !== null) workspace.edit(HEALTH, `version: ${version}`, `version: ${next}`)
    const {
      gates: [report],
    } = await workspace.check({ gates: ['breaking'] })
    expect(report?.findings.map(({ severity }) => severity)).toEqual(severities)
    expect(report?.findings.at(-1)).toMatchObject({
      file: HEALTH,
      message: expect.stringContaining('getLiveness: the status 406 is gone'),
    })
    expect(report?.findings.at(-1)?.line).toBeLessThan(line)
  })

  test('a breaking change of a draft is only told', async () => {
    const workspace = await frozen('1.0.0')
    const file = 'api-contracts/baselines/1.0.0/openapi.json'
    workspace.write(file, workspace.read(file).replaceAll('"x-stability": "stable"', '"x-stability": "draft"'))
    workspace.write(
      HEALTH,
      workspace
        .read(HEALTH)
        .replaceAll('x-stability: stable', 'x-stability: draft')
        .replace('/health/live:', '/health/alive:'),
    )
    const {
      gates: [report],
    } = await workspace.check({ gates: ['breaking'] })
    expect(report).toMatchObject({
      status: 'pass',
      findings: [{ severity: 'notice', message: expect.stringContaining('GET /health/live is gone') }],
    })
  })

  test('that another tool disagrees is a warning with the reasons of both', async () => {
    const workspace = await frozen('1.0.0')
    const answer = [{ id: 'x', text: 'removed the path', level: 3, operation: 'GET', path: '/health/ready' }]
    workspace.write('.skeldir/bin/oasdiff', `#!/bin/sh\necho '${JSON.stringify(answer)}'\n`)
    chmodSync(join(workspace.root, '.skeldir/bin/oasdiff'), 0o755)
    const {
      gates: [report],
    } = await workspace.check({ gates: ['breaking'] })
    expect(report).toMatchObject({
      status: 'pass',
      findings: [
        {
          rule: 'breaking/second-opinion',
          severity: 'warning',
          message: 'two opinions on what breaks callers; only oasdiff says: /health/ready: removed the path',
        },
      ],
    })
  })

  test('Redocly and this gate agree on what is gone', async () => {
    const workspace = await frozen('1.0.0')
    workspace.edit(HEALTH, '/health/live:', '/health/alive:')
    const {
      gates: [report],
    } = await workspace.check({ gates: ['breaking'] })
    expect(report?.findings.map(({ rule, severity }) => [rule, severity])).toEqual([['breaking/version-step', 'error']])
  })

  test('a stale changelog is found', async () => {
    const workspace = contractWorkspace()
    workspace.write('api-contracts/CHANGELOG.md', '# Changelog\n')
    expect(await workspace.errors('changelog')).toMatchObject([
      { rule: 'changelog/fresh', file: 'api-contracts/CHANGELOG.md', message: expect.stringContaining('stale') },
    ])
  })
})

describe('mocks', () => {
  const check = async (registry: (names: string[]) => unknown) => {
    const workspace = contractWorkspace('mocks')
    const { names } = await import('../../scripts/contracts/context.ts').then(({ createContext }) =>
      createContext({
        root: workspace.root,
        folder: join(workspace.root, V1),
        profile: 'skeldir',
        isOwn: true,
        today: '',
      }),
    )
    const domains = names.map((name) => name.replace('.yaml', '').replaceAll('/', '-'))
    workspace.write('mocks/registry.json', JSON.stringify(registry(domains), null, 2))
    return (await workspace.errors('mocks')).map(({ message }) => message)
  }
  const rows = (domains: string[]) => domains.map((domain, index) => ({ domain, port: 4010 + index }))

  test('one port for each document passes', async () => {
    expect(await check((domains) => ({ gateway: { port: 4000 }, mocks: rows(domains) }))).toEqual([])
  })

  test.for(
    shareOf<[string, (rows: { domain: string; port: number }[]) => unknown[], RegExp]>(
      [
        ['a document without a mock', (all) => all.slice(1), /^the document \S+ has no mock$/],
        [
          'a port twice',
          ([first, second, ...rest]) => [first, { ...second, port: first?.port }, ...rest],
          /^port 4010 of \S+ is also that of \S+$/,
        ],
        [
          'a document that does not exist',
          (all) => [...all, { domain: 'weather', port: 4999 }],
          /^there is no document weather$/,
        ],
        ['a document twice', (all) => [...all, { ...all[0], port: 4999 }], /has more than one mock$/],
        ['no port', ([first, ...rest]) => [{ ...first, port: 80 }, ...rest], /needs a port from 1024/],
      ],
      2,
      'faults of the registry',
    ),
  )('%s', async ([, change, message]) => {
    const messages = await check((domains) => ({ mocks: change(rows(domains)) }))
    expect(messages).toHaveLength(1)
    expect(messages[0]).toMatch(message)
  })
})

describe('postgres-only', () => {
  test('the repository passes', async () => {
    expect(await contractWorkspace('src').errors('postgres-only')).toEqual([])
  })

  test.for(
    shareOf<[string, (workspace: ReturnType<typeof contractWorkspace>) => number, string]>(
      [
        [
          'a package',
          (workspace) => workspace.edit('package.json', '"pg": ', '"ioredis": "5.0.0",\n    "pg": '),
          'package.json',
        ],
        [
          'an aliased package',
          (workspace) => workspace.edit('package.json', '"pg": ', '"store": "npm:redis@5.0.0",\n    "pg": '),
          'package.json',
        ],
        [
          'an import',
          (workspace) => workspace.edit('src/money.ts', 'export', "import 'node:sqlite'\nexport"),
          'src/money.ts',
        ],
        [
          'a service',
          (workspace) => {
            workspace.write(
              'compose.yaml',
              'services:\n  cache:\n    image: docker.io/library/redis:8\n  db:\n    image: postgres:18\n',
            )
            return 3
          },
          'compose.yaml',
        ],
      ],
      2,
      'other stores',
    ),
  )('%s of another store', async ([, plant, file]) => {
    const workspace = contractWorkspace('src')
    const line = plant(workspace)
    expect((await workspace.errors('postgres-only')).map((finding) => `${finding.file}:${finding.line}`)).toEqual([
      `${file}:${line}`,
    ])
  })
})

describe('rules-table', () => {
  test('is found stale, and fresh once it is written', async () => {
    const workspace = contractWorkspace()
    workspace.write('api-contracts/README.md', '# The contract\n')
    expect(await workspace.errors('rules-table')).toMatchObject([
      { rule: 'rules-table/fresh', file: 'api-contracts/README.md' },
    ])
    const table = renderRules(gates, workspace.read('api-contracts/redocly.yaml'))
    workspace.write('api-contracts/README.md', insertRules('# The contract\n', table))
    expect(await workspace.errors('rules-table')).toEqual([])
  })

  test('replaces only what stands between its marks', () => {
    const once = insertRules('# A\n\nBefore.\n', '| old |')
    expect(insertRules(`${once}\nAfter.\n`, '| new |')).toBe(`${once.replace('| old |', '| new |')}\nAfter.\n`)
  })
})

describe('the run', () => {
  test('a gate whose prerequisite failed is skipped and says so', async () => {
    const workspace = contractWorkspace()
    workspace.edit(HEALTH, 'paths:\n', 'paths: [\n')
    const { gates: reports } = await workspace.check({ gates: ['document', 'bundle', 'examples'] })
    expect(reports.map(({ status, reason }) => [status, reason])).toEqual([
      ['fail', undefined],
      ['skipped', 'needs document'],
      ['skipped', 'needs document'],
    ])
  })

  test('the cache sees the configuration of a folder that is not the repository', async () => {
    const workspace = contractWorkspace()
    const other = emptyWorkspace()
    const check = () =>
      other.check({
        contracts: join(workspace.root, V1),
        profile: 'skeldir',
        cache: true,
        gates: ['rules-table'],
      })
    workspace.write('api-contracts/README.md', '# The contract\n')
    expect((await check()).gates[0]?.status).toBe('fail')
    const table = renderRules(gates, workspace.read('api-contracts/redocly.yaml'))
    workspace.write('api-contracts/README.md', insertRules('# The contract\n', table))
    expect((await check()).gates[0]).toMatchObject({ status: 'pass', cached: false })
  })

  test('what did not change comes from the cache, and what did does not', async () => {
    const workspace = emptyWorkspace({ 'api/a.yaml': documentOf() })
    const check = async () => {
      const { gates: reports, examples } = await workspace.check({
        contracts: join(workspace.root, 'api'),
        cache: true,
        gates: ['document', 'lint', 'examples'],
      })
      return { cached: reports.map(({ cached }) => cached), statuses: reports.map(({ status }) => status), examples }
    }
    expect(await check()).toEqual({ cached: [false, false, false], statuses: ['pass', 'pass', 'pass'], examples: 0 })
    expect(await check()).toEqual({ cached: [true, true, true], statuses: ['pass', 'pass', 'pass'], examples: 0 })
    workspace.edit('api/a.yaml', 'summary: One thing', 'sumary: One thing')
    expect(await check()).toMatchObject({ cached: [false, false, false], statuses: ['fail', 'skipped', 'skipped'] })
    workspace.edit('api/a.yaml', 'sumary: One thing', 'summary: One thing')
    expect(await check()).toMatchObject({ cached: [true, true, true] })
  })
})
