import { describe, expect, test } from 'vitest'
import type { Finding } from '../../scripts/contracts/finding.ts'
import { shareOf } from '../support/share.ts'
import { contractWorkspace, V1 } from './workspace.ts'

const HEALTH = `${V1}/health.yaml`
const AUTH = `${V1}/auth.yaml`
const SCHEMAS = `${V1}/_common/schemas.yaml`

/** The edit, and where the finding must point: so many lines below the edit. */
interface Fault {
  file: string
  from: string
  to: string
  rule: string
  below?: number
  message: RegExp
}

/** Each leaves valid OpenAPI whose references resolve. */
const faults: Record<string, Fault> = {
  'a status that nothing leads to': {
    file: HEALTH,
    from: "        '406': { $ref: '_common/responses.yaml#/components/responses/NotAcceptable' }\n",
    to: "        '406': { $ref: '_common/responses.yaml#/components/responses/NotAcceptable' }\n        '415': { $ref: '_common/responses.yaml#/components/responses/UnsupportedMediaType' }\n",
    rule: 'lint/status-algebra',
    below: 1,
    message: /^getLiveness must not have 415: nothing in its shape/,
  },
  'a status of the server': {
    file: HEALTH,
    from: "        '406': {",
    to: "        '500': { $ref: '_common/responses.yaml#/components/responses/ServiceUnavailable' }\n        '406': {",
    rule: 'lint/status-algebra',
    message: /^getLiveness must not have 500: it belongs to the server/,
  },
  'an owner whom nobody knows': {
    file: HEALTH,
    from: 'x-owner: platform',
    to: 'x-owner: somebody',
    rule: 'lint/owner',
    message: /nobody is called somebody/,
  },
  'a domain of another document': {
    file: HEALTH,
    from: 'x-domain: health',
    to: 'x-domain: auth',
    rule: 'lint/domain',
    message: /x-domain is auth; the document says health/,
  },
  'no security': {
    file: HEALTH,
    from: '      security: []\n',
    to: '',
    rule: 'lint/security',
    below: -5,
    message: /^getLiveness needs `security`/,
  },
  'an alternative without credentials': {
    file: AUTH,
    from: '      security:\n        - bearerAuth: []\n',
    to: '      security:\n        - {}\n        - bearerAuth: []\n',
    rule: 'lint/security',
    message: /an empty alternative makes it public/,
  },
  'a role where there is no token': {
    file: HEALTH,
    from: '      x-domain: health\n',
    to: '      x-domain: health\n      x-required-role: admin\n',
    rule: 'lint/role',
    below: 1,
    message: /asks for a role, but takes no bearer token/,
  },
  'the name of another operation': {
    file: HEALTH,
    from: 'operationId: getLiveness',
    to: 'operationId: login',
    rule: 'lint/operation-id-unique',
    message: /the operationId login is also in .*auth\.yaml:\d+/,
  },
  'an operationId in snake_case': {
    file: HEALTH,
    from: 'operationId: getLiveness',
    to: 'operationId: get_liveness',
    rule: 'lint/operation-id',
    message: /needs an operationId in camelCase/,
  },
  'a raw body outside the vendors': {
    file: HEALTH,
    from: '      x-domain: health\n',
    to: '      x-domain: health\n      x-raw-body: true\n',
    rule: 'lint/vendor-webhook',
    below: 1,
    message: /is no vendor's webhook/,
  },
  'a deprecation without a date': {
    file: HEALTH,
    from: '      x-domain: health\n',
    to: '      x-domain: health\n      deprecated: true\n',
    rule: 'lint/deprecation',
    below: -7,
    message: /needs x-sunset/,
  },
  'a deprecation since nobody knows when': {
    file: HEALTH,
    from: '      x-domain: health\n',
    to: "      x-domain: health\n      deprecated: true\n      x-sunset: '2028-01-15'\n",
    rule: 'lint/deprecation',
    below: -7,
    message: /needs x-deprecated-since/,
  },
  'a sunset soon after the deprecation': {
    file: HEALTH,
    from: '      x-domain: health\n',
    to: "      x-domain: health\n      deprecated: true\n      x-deprecated-since: '2027-12-01'\n      x-sunset: '2028-01-15'\n",
    rule: 'lint/deprecation',
    below: 3,
    message: /must be 90 days after x-deprecated-since/,
  },
  'a quota of no tenant': {
    file: HEALTH,
    from: '      x-domain: health\n',
    to: '      x-domain: health\n      x-rate-limit-policy: ingest\n',
    rule: 'lint/rate-limit-policy',
    below: 1,
    message: /x-rate-limit-policy must be none, not ingest/,
  },
  'a delivery that counts as anything else': {
    file: `${V1}/webhooks/shopify.yaml`,
    from: '      x-rate-limit-policy: ingest\n',
    to: '      x-rate-limit-policy: default\n',
    rule: 'lint/rate-limit-policy',
    message: /must be ingest, not default/,
  },
  'a sunset that comes too soon': {
    file: HEALTH,
    from: '      x-domain: health\n',
    to: "      x-domain: health\n      deprecated: true\n      x-sunset: '2027-01-15'\n",
    rule: 'lint/deprecation',
    below: 2,
    message: /the sunset is 55 days away/,
  },
  'an open body': {
    file: AUTH,
    from: '    LoggedInUser:\n      type: object\n      description: The user, with the role in the tenant of the token.\n      additionalProperties: false\n',
    to: '    LoggedInUser:\n      type: object\n      description: The user, with the role in the tenant of the token.\n      additionalProperties: true\n',
    rule: 'lint/closed-bodies',
    below: 3,
    message: /takes properties that it does not name/,
  },
  'a closed body of a vendor': {
    file: `${V1}/webhooks/shopify.yaml`,
    from: '      additionalProperties: true\n',
    to: '      additionalProperties: false\n',
    rule: 'lint/open-vendor-bodies',
    message: /a vendor may add fields/,
  },
  'a string without an end': {
    file: SCHEMAS,
    from: 'title: { type: string, minLength: 1, maxLength: 128,',
    to: 'title: { type: string, minLength: 1,',
    rule: 'lint/bounded-strings',
    message: /a string needs `maxLength`/,
  },
  'a string or null without an end': {
    file: SCHEMAS,
    from: 'title: { type: string, minLength: 1, maxLength: 128,',
    to: "title: { type: [string, 'null'], minLength: 1,",
    rule: 'lint/bounded-strings',
    message: /a string needs `maxLength`/,
  },
  'an integer without bounds': {
    file: SCHEMAS,
    from: 'status: { type: integer, minimum: 400, maximum: 599,',
    to: 'status: { type: integer, minimum: 400,',
    rule: 'lint/bounded-integers',
    message: /an integer needs `minimum` and `maximum`/,
  },
  'money beyond what JSON holds': {
    file: SCHEMAS,
    from: 'minimum: -9007199254740991',
    to: 'minimum: -9007199254740993',
    rule: 'lint/money-shape',
    below: -2,
    message: /amount_minor is an integer within/,
  },
  'money in a float': {
    file: SCHEMAS,
    from: '        amount_minor:\n          type: integer\n',
    to: '        amount_minor:\n          type: number\n',
    rule: 'lint/no-float-money',
    below: 1,
    message: /amount_minor is money in a floating-point number/,
  },
  'an amount without a currency': {
    file: SCHEMAS,
    from: 'required: [amount_minor, currency]',
    to: 'required: [amount_minor]',
    rule: 'lint/money-shape',
    message: /an amount needs its currency/,
  },
  'a default in a request body': {
    file: AUTH,
    from: 'password: { type: string, minLength: 8,',
    to: "password: { type: string, default: 'password', minLength: 8,",
    rule: 'lint/no-request-defaults',
    message: /a default in a request body is not filled in/,
  },
  'a rule of Redocly': {
    file: HEALTH,
    from: '      summary: Is the process alive?\n',
    to: '',
    rule: 'lint/operation-summary',
    below: -3,
    message: /summary/,
  },
}

describe('a fault in the contract is found where it is written', () => {
  test.for(shareOf(Object.entries(faults), 8, 'faults that lint finds'))(
    '%s',
    async ([, { file, from, to, rule, below = 0, message }]) => {
      const workspace = contractWorkspace()
      const before = await pristine()
      const line = workspace.edit(file, from, to) + below
      const found = (await workspace.errors('lint')).filter((finding) => !before.some((old) => isSame(old, finding)))
      expect(found.map((finding) => `${finding.rule} ${finding.file}:${finding.line}`)).toContain(
        `${rule} ${file}:${line}`,
      )
      const [match] = found.filter((finding) => finding.rule === rule && finding.line === line)
      expect(match?.message).toMatch(message)
    },
  )
})

let known: Promise<Finding[]> | undefined

/** What the contract of the repository has anyway. */
function pristine(): Promise<Finding[]> {
  known ??= contractWorkspace().errors('lint')
  return known
}

function isSame(
  a: { rule: string; message: string; file: string },
  b: { rule: string; message: string; file: string },
): boolean {
  return a.rule === b.rule && a.message === b.message && a.file === b.file
}

test('a document that redocly.yaml does not list is found', async () => {
  const workspace = contractWorkspace()
  workspace.edit('api-contracts/redocly.yaml', '    root: openapi/v1/health.yaml', '    root: openapi/v1/auth.yaml')
  expect(await workspace.errors('lint')).toContainEqual(
    expect.objectContaining({ rule: 'lint/listed', file: HEALTH, line: 1 }),
  )
})

test('a sunset that a baseline announced stays right as it comes nearer', async () => {
  const workspace = contractWorkspace()
  workspace.edit(
    HEALTH,
    '      x-domain: health\n',
    "      x-domain: health\n      deprecated: true\n      x-sunset: '2027-01-15'\n",
  )
  const paths = { '/health/live': { get: { operationId: 'getLiveness', deprecated: true, 'x-sunset': '2027-01-15' } } }
  workspace.write('api-contracts/baselines/0.1.0/openapi.json', JSON.stringify({ info: { version: '0.1.0' }, paths }))
  const soon = (await workspace.errors('lint')).filter(({ message }) => /days away/.test(message))
  expect(soon).toEqual([])
})
