import { expect, test } from 'vitest'
import { silenceLimit } from './silence.ts'

const HOUR_MS = 3_600_000
const HOUR_S = 3_600

test.each([
  ['a busy shop: six hours', { gaps: 10_000, p99Seconds: 60, longestSeconds: 600 }, 6 * HOUR_MS],
  ['just at the six hours', { gaps: 100, p99Seconds: 2_160, longestSeconds: 2_160 }, 6 * HOUR_MS],
  [
    'a quiet shop: ten times its longest pauses',
    { gaps: 40, p99Seconds: 36_000, longestSeconds: 36_000 },
    100 * HOUR_MS,
  ],
  [
    'closed at night: as long as the night, and half of it',
    { gaps: 8_960, p99Seconds: 180, longestSeconds: 8 * HOUR_S },
    12 * HOUR_MS,
  ],
  ['closed at weekends', { gaps: 6_400, p99Seconds: 180, longestSeconds: 56 * HOUR_S }, 84 * HOUR_MS],
  ['twenty gaps are enough', { gaps: 20, p99Seconds: 60, longestSeconds: 60 }, 6 * HOUR_MS],
  ['nineteen are not', { gaps: 19, p99Seconds: 60, longestSeconds: 60 }, null],
  ['a new endpoint', { gaps: 0, p99Seconds: null, longestSeconds: null }, null],
])('%s', (_, rhythm, limit) => expect(silenceLimit(rhythm)).toBe(limit))
