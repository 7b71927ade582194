import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { preparedName } from './prepared.ts'

const ask = (text: string, times: number) => Array.from({ length: times }, () => preparedName(text))

test('a statement that returns is prepared from its sixth time on, always under the same name', () => {
  const text = `select '${randomUUID()}'`
  const names = ask(text, 8)
  expect(names.slice(0, 5)).toEqual([undefined, undefined, undefined, undefined, undefined])
  expect(names[5]).toMatch(/^[A-Za-z0-9_-]{22}$/)
  expect(new Set(names.slice(5)).size).toBe(1)
  const other = ask(`select '${randomUUID()}'`, 6).at(-1)
  expect(other).not.toBe(names[5])
})

test('long ones are never prepared, and what is rare is forgotten', () => {
  expect(ask(`select '${'x'.repeat(4_000)}'`, 9).filter((name) => name !== undefined)).toEqual([])
  const text = `select '${randomUUID()}'`
  ask(text, 4)
  for (let index = 0; index < 500; index += 1) ask(`select '${randomUUID()}'`, 1)
  expect(ask(text, 3)).toEqual([undefined, undefined, undefined])
})
