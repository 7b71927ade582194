import { describe, expect, test } from 'vitest'
import { createRandom } from '../../scripts/demo/random.ts'
import { sampleOf } from '../../scripts/isolation/rows/pattern.ts'

const random = createRandom(1, 'test')

describe('a text that a pattern matches', () => {
  test.each([
    '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
    '^[A-Z]{3}$',
    '^(shopify|stripe):[A-Za-z0-9_-]{1,128}$',
    '^(https://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|http://localhost)(:[0-9]{1,5})?$',
    '^[0-9a-f]{64}$',
    '^\\d{2,}\\.\\w+\\s?$',
    '^(?:a|b)+c*?$',
    '^[^a-y]$',
    '^[\\d.]-[a-]$',
    '^.{3}$',
    'no anchors',
  ])('%s', (pattern) => {
    for (let time = 0; time < 50; time += 1) expect(sampleOf(pattern, random)).toMatch(new RegExp(pattern))
  })
})

test.each(['^(?=a)b$', '^(a', '^[z-a]$', '^\\1$', '^*a$', 'a)b'])(
  'gives nothing for %s, which it does not know',
  (pattern) => {
    expect(sampleOf(pattern, random)).toBeUndefined()
  },
)
