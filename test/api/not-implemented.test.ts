import { expect, test } from 'vitest'
import { type OperationRow, operations } from '../../generated/operations.ts'
import type { OperationId } from '../../src/contract.ts'
import { notImplemented } from '../../src/contract.ts'
import { handlers } from '../../src/main/app.ts'
import { notImplementedOperations } from '../../src/main/not-implemented.ts'
import { usePlatform } from '../support/platform.ts'

const platform = usePlatform()
const listed = Object.keys(notImplementedOperations) as (keyof typeof notImplementedOperations)[]

test('the list names what has no handler, and nothing else', () => {
  const unbuilt = Object.entries(handlers).flatMap(([id, handler]) =>
    (handler as unknown) === notImplemented ? [id] : [],
  )
  expect(listed.toSorted()).toEqual(unbuilt.sort())
})

test.each(listed)('%s is a draft that answers 501, whoever asks and with what', async (operationId) => {
  const row: OperationRow = operations[operationId as OperationId]
  expect(row.stability).toBe('draft')
  const path = row.path.replace(/\{\w+\}/g, 'anything')
  const response = await fetch(`${platform.url}${path}`, { method: row.method.toUpperCase(), redirect: 'manual' })
  expect(response.status).toBe(501)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(response.headers.get('x-correlation-id')).toMatch(/^[0-9a-f-]{36}$/)
  expect(await response.json()).toMatchObject({ status: 501, code: 'not_implemented' })
})
