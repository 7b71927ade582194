import { expect, test } from 'vitest'
import { hashToken, visitorOf } from './token.ts'

const [VISITOR, SESSION] = ['01KDW3M8Q2Z7C4T9X5B6N1R0JA', '01KDW3M8Q3F8H2K6P4V9W7Y5SD']
const HASH = 'ab'.repeat(32)

test.each([`av1.${VISITOR}.${SESSION}`, `av1_${VISITOR}_${SESSION}`])('%s names a visitor', (token) => {
  expect(visitorOf(token)).toBe(VISITOR)
  expect(hashToken(token, () => HASH)).toBe(`id1.${HASH}`)
  expect(visitorOf(`id1.${HASH}`)).toBe(HASH)
})

test.each([
  `av1.${VISITOR}_${SESSION}`,
  `av1-${VISITOR}-${SESSION}`,
  `av1.${VISITOR}`,
  `av2.${VISITOR}.${SESSION}`,
  `av1.${VISITOR.toLowerCase()}.${SESSION}`,
  `x av1.${VISITOR}.${SESSION}`,
  `av1.${VISITOR}.${SESSION}\n`,
  5,
  null,
])('%j names nobody, and is not kept', (value) => {
  expect(visitorOf(value)).toBeNull()
  expect(hashToken(value, () => HASH)).toBeUndefined()
})
