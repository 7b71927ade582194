import { describe, expect, test } from 'vitest'
import { ProblemError } from '../problem/problem.ts'
import { isConnectionError, renderProblem, toProblemError } from './problem.ts'

const about = { correlationId: '6f1c1d4e-6f5b-4f0e-9a55-1d6c7c2f3a10', path: '/api/x' }

describe('isConnectionError', () => {
  test.each([
    [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), true],
    [Object.assign(new Error('x'), { code: 'ECONNRESET' }), true],
    [Object.assign(new Error('x'), { code: 'EPIPE' }), true],
    [Object.assign(new Error('x'), { code: 'ETIMEDOUT' }), true],
    [Object.assign(new Error('x'), { code: '57P01' }), true],
    [Object.assign(new Error('x'), { code: '57P03' }), true],
    [Object.assign(new Error('x'), { code: '08006' }), true],
    [Object.assign(new Error('x'), { code: '53300' }), true],
    [Object.assign(new Error('x'), { code: '53100' }), true],
    [Object.assign(new Error('x'), { code: '57014' }), true],
    [Object.assign(new Error('x'), { code: '25006' }), true],
    [Object.assign(new Error('x'), { code: '55000' }), true],
    [new Error('Connection terminated unexpectedly'), true],
    [new Error('Connection terminated due to connection timeout'), true],
    [new Error('timeout exceeded when trying to connect'), true],
    [new Error('Client was closed and is not queryable'), true],
    [new Error('Client has encountered a connection error and is not queryable'), true],
    [new Error('wrapped', { cause: Object.assign(new Error('x'), { code: '57P02' }) }), true],
    [new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })]), true],
    [Object.assign(new Error('x'), { code: '23505' }), false],
    [Object.assign(new Error('x'), { code: '22P02' }), false],
    [Object.assign(new Error('x'), { code: '080' }), false],
    [new Error('The Connection terminated'), false],
    [null, false],
    ['ECONNREFUSED', false],
  ])('%s: %s', (error, expected) => {
    expect(isConnectionError(error)).toBe(expected)
  })

  test('a cycle of causes ends', () => {
    const error = new Error('a')
    error.cause = error
    expect(isConnectionError(error)).toBe(false)
  })
})

describe('renderProblem', () => {
  test('has every required member, and extra headers', () => {
    const errors = [{ pointer: '/body/a', code: 'required', detail: 'a is required.' }]
    expect(
      renderProblem(new ProblemError('validation_failed', 'No.', { errors, headers: { 'X-A': 'b' } }), about),
    ).toEqual({
      status: 422,
      headers: { 'X-A': 'b' },
      body: {
        type: '/docs/problems/validation_failed',
        title: expect.any(String),
        status: 422,
        detail: 'No.',
        instance: '/api/x',
        code: 'validation_failed',
        correlation_id: about.correlationId,
        errors,
      },
    })
  })

  test('all 401s are alike, whatever was thrown', () => {
    const errors = [{ pointer: '/x', code: 'y', detail: 'signature too old' }]
    const one = renderProblem(new ProblemError('unauthorized', 'No such user.', { errors, headers: { a: 'b' } }), about)
    const two = renderProblem(new ProblemError('unauthorized', 'Wrong password.'), about)
    expect(one).toEqual(two)
    expect(one.headers).toEqual({ 'WWW-Authenticate': 'Bearer realm="skeldir"' })
  })

  test('an unknown error says nothing of itself', () => {
    const reply = renderProblem(toProblemError(new Error('password=hunter2')), about)
    expect(reply.status).toBe(500)
    expect(JSON.stringify(reply)).not.toContain('hunter2')
  })

  test('503 always says when to retry, and a thrown value wins', () => {
    expect(renderProblem(toProblemError(new Error('Connection terminated')), about).headers['Retry-After']).toBe('5')
    const own = new ProblemError('not_ready', 'x', { headers: { 'Retry-After': '30' } })
    expect(renderProblem(own, about).headers['Retry-After']).toBe('30')
  })

  test('instance is a URI reference, and errors are bounded', () => {
    const errors = Array.from({ length: 200 }, (_, i) => ({ pointer: `/body/${i}`, code: 'type', detail: 'x' }))
    const { body } = renderProblem(new ProblemError('validation_failed', 'x', { errors }), {
      ...about,
      path: '/a|"b%zz%20\u00ff',
    })
    expect(body.instance).toBe('/a%7C%22b%25zz%20%FF')
    expect(body.errors).toHaveLength(100)
  })
})
