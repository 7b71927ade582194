import fc from 'fast-check'
import { expect, test } from 'vitest'
import { attributionProperties } from '../../scripts/verify/properties/attribution.ts'
import { checkProperty, property } from '../../scripts/verify/properties/property.ts'

/** `npm run verify -- properties` looks at many more. */
const CASES = 500
const SEED = Date.now() % 2 ** 31

test.each(attributionProperties.map((one) => [one.name, one] as const))('%s', (_name, one) => {
  expect(checkProperty(one, { cases: CASES, seed: SEED })).toBeNull()
})

test('a property that does not hold is reported with its seed and its smallest case', () => {
  const wrong = property('all numbers are below 10', fc.nat(), (number) => number < 10)
  const report = checkProperty(wrong, { cases: 100, seed: 5 })
  expect(report).toContain('seed: 5')
  expect(report).toContain('[10]')
})
