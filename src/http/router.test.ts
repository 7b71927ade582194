import { describe, expect, test } from 'vitest'
import { createRouter } from './router.ts'

const router = createRouter([
  { method: 'GET', path: '/', target: 'root' },
  { method: 'GET', path: '/orders/{order_id}/credits', target: 'credits' },
  { method: 'GET', path: '/orders/latest/credits', target: 'latest' },
  { method: 'POST', path: '/orders', target: 'create' },
  { method: 'GET', path: '/orders/{order_id}', target: 'read' },
  { method: 'DELETE', path: '/orders/{order_id}', target: 'remove' },
  { method: 'POST', path: '/orders/replay', target: 'replay' },
  { method: 'GET', path: '/orders/count', target: 'count' },
  { method: 'GET', path: '/.well-known/x:y', target: 'colon' },
])

function found(method: string, path: string): unknown {
  const match = router.match(method, path)
  return match.kind === 'found' ? [match.target, match.params] : match
}

describe('match', () => {
  test.each([
    ['GET', '/', ['root', {}]],
    ['GET', '/orders/shopify:1/credits', ['credits', { order_id: 'shopify:1' }]],
    ['HEAD', '/orders/1/credits', ['credits', { order_id: '1' }]],
    ['GET', '/orders/latest/credits', ['latest', {}]],
    ['GET', '/orders/a%2Fb%20c%25/credits', ['credits', { order_id: 'a/b c%' }]],
    ['GET', `/orders/${'x'.repeat(5_000)}/credits`, ['credits', { order_id: 'x'.repeat(5_000) }]],
    ['GET', '/.well-known/x:y', ['colon', {}]],
    ['GET', '/orders//credits', { kind: 'none' }],
    ['GET', '/orders/1/credits/', { kind: 'none' }],
    ['GET', '/Orders/1/credits', { kind: 'none' }],
    ['GET', '//orders/1/credits', { kind: 'none' }],
    ['DELETE', '/orders/', { kind: 'none' }],
    ['GET', '/orders%2F1/credits', { kind: 'none' }],
    ['GET', '/orders', { kind: 'other_method', allow: 'OPTIONS, POST' }],
    ['PUT', '/orders/1/credits', { kind: 'other_method', allow: 'GET, HEAD, OPTIONS' }],
    ['PROPFIND', '/orders/1', { kind: 'other_method', allow: 'DELETE, GET, HEAD, OPTIONS' }],
  ])('%s %s', (method, path, expected) => {
    expect(found(method, path)).toEqual(expected)
  })

  // https://spec.openapis.org/oas/v3.1.1.html#paths-object: concrete paths before templated ones.
  test.each([
    ['POST', '/orders/replay', ['replay', {}]],
    ['GET', '/orders/replay', { kind: 'other_method', allow: 'OPTIONS, POST' }],
    ['HEAD', '/orders/replay', { kind: 'other_method', allow: 'OPTIONS, POST' }],
    ['DELETE', '/orders/replay', { kind: 'other_method', allow: 'OPTIONS, POST' }],
    ['OPTIONS', '/orders/replay', { kind: 'other_method', allow: 'OPTIONS, POST' }],
    ['GET', '/orders/repl%61y', { kind: 'other_method', allow: 'OPTIONS, POST' }],
    ['HEAD', '/orders/count', ['count', {}]],
    ['DELETE', '/orders/count', { kind: 'other_method', allow: 'GET, HEAD, OPTIONS' }],
    ['GET', '/orders/replays', ['read', { order_id: 'replays' }]],
    ['GET', '/orders/Replay', ['read', { order_id: 'Replay' }]],
    ['GET', '/orders/replay%2F', ['read', { order_id: 'replay/' }]],
  ])('a literal path is its route’s alone: %s %s', (method, path, expected) => {
    expect(found(method, path)).toEqual(expected)
  })

  test.each(['/orders/%zz/credits', '/%', '/orders/%c3%28/credits', '/orders/1#x'])('%s is malformed', (path) => {
    expect(() => router.match('GET', path)).toThrow(expect.objectContaining({ code: 'malformed_request' }))
  })

  test('two routes of one shape are refused', () => {
    expect(() =>
      createRouter([
        { method: 'GET', path: '/a/{x}', target: 1 },
        { method: 'GET', path: '/a/{y}', target: 2 },
      ]),
    ).toThrow(/already declared/)
  })
})
