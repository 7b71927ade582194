import { parseYaml } from '@redocly/openapi-core'
import { describe, expect, test } from 'vitest'
import { type Change, diffContracts } from '../../scripts/contracts/diff.ts'
import type { OpenApiDocument } from '../../scripts/generate/contract.ts'

const BASE = `openapi: 3.1.1
info: { title: Orders, version: 1.0.0 }
paths:
  /orders/{order_id}:
    put:
      operationId: putOrder
      security: [{ bearerAuth: [] }]
      parameters:
        - { name: order_id, in: path, required: true, schema: { type: string, maxLength: 20 } }
        - { name: dry_run, in: query, required: false, schema: { type: boolean } }
        - { name: X-Trace, in: header, required: false, schema: { type: string } }
      requestBody:
        required: false
        content:
          application/json: { schema: { $ref: '#/components/schemas/Order' } }
          text/csv: { schema: { type: string } }
      responses:
        '200':
          description: It.
          headers:
            ETag: { required: true, schema: { type: string } }
          content:
            application/json: { schema: { $ref: '#/components/schemas/Answer' } }
            text/csv: { schema: { type: string } }
        '404': { description: None. }
  /orders:
    get:
      operationId: listOrders
      security: []
      responses:
        '200': { description: All. }
components:
  schemas:
    Order:
      type: object
      additionalProperties: false
      required: [name]
      properties:
        name: { type: string, maxLength: 50 }
        size: { type: [integer, 'null'], minimum: 0, maximum: 10 }
        kind: { type: string, enum: [small, large] }
    Answer:
      type: object
      additionalProperties: false
      required: [id, state]
      properties:
        id: { type: integer }
        state: { type: string, enum: [open, closed] }
        note: { type: string }
`

function changes(...edits: [from: string, to: string][]): Change[] {
  const changed = edits.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the document does not contain ${from}`)
    return text.replace(from, to)
  }, BASE)
  return diffContracts(parseYaml(BASE) as OpenApiDocument, parseYaml(changed) as OpenApiDocument)
}

test('nothing changed', () => {
  expect(changes()).toEqual([])
})

describe('what breaks callers', () => {
  test.for<[string, [string, string][], string]>([
    ['a path that is gone', [['  /orders:\n', '  /purchases:\n']], 'GET /orders is gone'],
    ['a method that is gone', [['    get:\n', '    post:\n']], 'GET /orders is gone'],
    [
      'another operationId',
      [['operationId: putOrder', 'operationId: setOrder']],
      'the operationId putOrder is now setOrder',
    ],
    ['a status that is gone', [["        '404': { description: None. }\n", '']], 'the status 404 is gone'],
    [
      'a media type of the request that is gone',
      [['          text/csv: { schema: { type: string } }\n      responses', '      responses']],
      'the request has no text/csv any more',
    ],
    [
      'a media type of the reply that is gone',
      [["            text/csv: { schema: { type: string } }\n        '404'", "        '404'"]],
      'the 200 has no text/csv any more',
    ],
    [
      'a promised header that is gone',
      [['ETag: { required: true', 'ETag: { required: false']],
      'the 200 does not always have the header ETag any more',
    ],
    ['a query parameter that is gone', [['name: dry_run', 'name: rehearse']], 'the query parameter dry_run is gone'],
    [
      'a parameter that is required now',
      [['in: query, required: false', 'in: query, required: true']],
      'the query parameter dry_run is required now',
    ],
    [
      'a narrower parameter',
      [['type: string, maxLength: 20', 'type: string, maxLength: 10']],
      'the path parameter order_id: maxLength is 10, and was 20',
    ],
    [
      'a body that is required now',
      [['requestBody:\n        required: false', 'requestBody:\n        required: true']],
      'the request body is required now',
    ],
    [
      'a new required property',
      [
        ['required: [name]', 'required: [name, colour]'],
        ['        kind:', '        colour: { type: string }\n        kind:'],
      ],
      'the request: the property colour is new and required',
    ],
    [
      'a property of the request that is gone',
      [["        size: { type: [integer, 'null'], minimum: 0, maximum: 10 }\n", '']],
      'the request: the property size is gone',
    ],
    [
      'a property that is required now',
      [['required: [name]', 'required: [name, kind]']],
      'the request: the property kind is required now',
    ],
    [
      'a type that is not taken any more',
      [["[integer, 'null']", 'integer']],
      'the request size: the type null is not taken any more',
    ],
    [
      'an enum member that is not taken any more',
      [['[small, large]', '[small]']],
      'the request kind: "large" is not taken any more',
    ],
    ['a narrower bound', [['maximum: 10', 'maximum: 9']], 'the request size: maximum is 9, and was 10'],
    [
      'a new bound',
      [['type: string, maxLength: 50', 'type: string, maxLength: 50, minLength: 1']],
      'the request name: minLength is 1, and was absent',
    ],
    [
      'a new pattern',
      [['type: string, maxLength: 50', "type: string, maxLength: 50, pattern: '^a'"]],
      'the request name: pattern is ^a, and was absent',
    ],
    [
      'a property of the reply that is gone',
      [['        note: { type: string }\n', '']],
      'the 200: the property note is gone',
    ],
    [
      'a property of the reply that may be absent',
      [['required: [id, state]', 'required: [id]']],
      'the 200: the property state may be absent now',
    ],
    ['a new member in the reply', [['[open, closed]', '[open, closed, lost]']], 'the 200 state: "lost" is new'],
    [
      'a wider type in the reply',
      [['id: { type: integer }', "id: { type: [integer, 'null'] }"]],
      'the 200 id: the type null is new',
    ],
    [
      'integers become numbers in the reply',
      [['id: { type: integer }', 'id: { type: number }']],
      'the 200 id: the type number is new',
    ],
    [
      'credentials where none were needed',
      [['security: []', 'security: [{ bearerAuth: [] }]']],
      'credentials are needed now',
    ],
    [
      'other credentials',
      [['security: [{ bearerAuth: [] }]', 'security: [{ tenantKey: [] }]']],
      'bearerAuth is not enough any more',
    ],
    [
      'more credentials',
      [['security: [{ bearerAuth: [] }]', 'security: [{ bearerAuth: [], tenantKey: [] }]']],
      'bearerAuth is not enough any more',
    ],
    [
      'a higher role',
      [['security: [{ bearerAuth: [] }]', 'security: [{ bearerAuth: [] }]\n      x-required-role: admin']],
      'the role admin is needed now',
    ],
  ])('%s', ([, edits, message]) => {
    const breaking = changes(...edits).filter(({ kind }) => kind === 'breaking')
    expect(breaking.map((change) => change.message)).toEqual([message])
  })
})

describe('what breaks nobody', () => {
  test.for<[string, [string, string][], string]>([
    [
      'a new operation',
      [
        [
          '    get:\n',
          "    post:\n      operationId: postOrder\n      security: []\n      responses: { '201': { description: Made. } }\n    get:\n",
        ],
      ],
      'POST /orders',
    ],
    [
      'another name of a path parameter',
      [
        ['/orders/{order_id}', '/orders/{id}'],
        ['name: order_id', 'name: id'],
      ],
      '',
    ],
    [
      'a new optional parameter',
      [
        [
          '        - { name: X-Trace',
          '        - { name: limit, in: query, required: false, schema: { type: integer } }\n        - { name: X-Trace',
        ],
      ],
      'the query parameter limit',
    ],
    [
      'a header that is gone from the request',
      [['        - { name: X-Trace, in: header, required: false, schema: { type: string } }\n', '']],
      'the header parameter X-Trace is gone',
    ],
    ['a new status', [["        '404':", "        '409': { description: Late. }\n        '404':"]], 'the status 409'],
    ['a wider bound', [['maximum: 10', 'maximum: 20']], 'the request size: maximum is 20, and was 10'],
    [
      'a new member that is taken',
      [['[small, large]', '[small, large, huge]']],
      'the request kind: "huge" is taken too',
    ],
    [
      'a new property of the reply',
      [['        note:', '        colour: { type: string }\n        note:']],
      'the 200: the property colour',
    ],
    [
      'a member that does not come any more',
      [['[open, closed]', '[open]']],
      'the 200 state: "closed" does not come any more',
    ],
    [
      'an alternative to the credentials',
      [['security: [{ bearerAuth: [] }]', 'security: [{ bearerAuth: [] }, { tenantKey: [] }]']],
      '',
    ],
    [
      'a deprecation',
      [['operationId: listOrders', "operationId: listOrders\n      deprecated: true\n      x-sunset: '2027-06-30'"]],
      'is deprecated, and may be gone after 2027-06-30',
    ],
  ])('%s', ([, edits, message]) => {
    const all = changes(...edits)
    expect(all.filter(({ kind }) => kind === 'breaking')).toEqual([])
    expect(all.map((change) => change.message)).toEqual(message === '' ? [] : [message])
  })
})

test('a change points to where it is written in the newer document', () => {
  expect(changes(['maximum: 10', 'maximum: 9'])[0]?.pointer).toBe('#/components/schemas/Order/properties/size/maximum')
})

test('drafts are told apart', () => {
  const draft = BASE.replaceAll('security: []', 'security: []\n      x-stability: draft')
  const stable = draft.replace('/orders:\n', '/purchases:\n')
  const [removed] = diffContracts(parseYaml(draft) as OpenApiDocument, parseYaml(stable) as OpenApiDocument)
  expect(removed).toMatchObject({ kind: 'breaking', what: 'removed', isDraft: true })
})
