import { expect, test } from 'vitest'
import { readTimes } from './times.ts'

test('instants are read as Postgres sends them, before and after its epoch, to the microsecond', () => {
  // select encode(array_send(array['1999-12-31 23:59:59.999999+00', '2000-01-01 00:00:00+00', '2026-03-31 12:00:00.000001+00']::timestamptz[]), 'hex')
  const sent = [
    '0000000100000000000004a00000000300000001',
    '00000008ffffffffffffffff',
    '000000080000000000000000',
    '000000080002f14f79b47001',
  ].join('')
  expect(readTimes(Buffer.from(sent, 'hex'))).toEqual([946_684_799_999_999, 946_684_800_000_000, 1_774_958_400_000_001])
})
