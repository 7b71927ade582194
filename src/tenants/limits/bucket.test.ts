import { describe, expect, test } from 'vitest'
import {
  createBucket,
  enterFailure,
  enterLease,
  MINUTE_MS,
  permitsWanted,
  stateOf,
  takePermit,
  wantsLease,
} from './bucket.ts'
import { leaseSize } from './policies.ts'

/** A bucket of 600 a minute that has just leased `granted` permits, of a quota that was whole. */
function leased(granted = 20, now = 0) {
  const bucket = createBucket('default')
  enterLease(bucket, { granted, perMinute: 600, fullInMs: granted * 100 }, granted, now)
  return bucket
}

test.each([
  [1, 1],
  [59, 1],
  [600, 20],
  [60_000, 2_000],
  [10_000_000, 2_000],
])('of %i a minute a process leases %i', (perMinute, size) => {
  expect(leaseSize(perMinute)).toBe(size)
})

describe('what the caller is told', () => {
  test('the first of 600', () => {
    const bucket = leased()
    expect(takePermit(bucket, 0)).toBe(true)
    expect(stateOf(bucket, 0)).toEqual({ remaining: 599, fullInS: 1 })
  })

  test('fills up as time goes by, and no further', () => {
    const bucket = leased()
    for (let i = 0; i < 20; i++) takePermit(bucket, 0)
    expect(stateOf(bucket, 0)).toEqual({ remaining: 580, fullInS: 2 })
    expect(stateOf(bucket, 1_000)).toEqual({ remaining: 590, fullInS: 1 })
    expect(stateOf(bucket, 60_000)).toEqual({ remaining: 600, fullInS: 0 })
  })

  test('nothing is left', () => {
    const bucket = createBucket('default')
    enterLease(bucket, { granted: 0, perMinute: 600, fullInMs: MINUTE_MS + 500 }, 20, 0)
    expect(stateOf(bucket, 0)).toEqual({ remaining: 0, fullInS: 61 })
  })
})

describe('leases', () => {
  test('are topped up when half is used, and to the same size', () => {
    const bucket = leased()
    for (let i = 0; i < 9; i++) takePermit(bucket, 0)
    expect(wantsLease(bucket, 0)).toBe(false)
    takePermit(bucket, 0)
    expect(wantsLease(bucket, 0)).toBe(true)
    expect(permitsWanted(bucket)).toBe(10)
  })

  test('are asked for once', () => {
    const bucket = createBucket('default')
    bucket.lease = Promise.resolve()
    expect(wantsLease(bucket, 0)).toBe(false)
  })

  test('count those who wait', () => {
    const bucket = leased(0)
    bucket.waiting = 7
    expect(permitsWanted(bucket)).toBe(27)
  })

  test('are for those who wait only, as long as the quota is not known', () => {
    const bucket = createBucket('default')
    bucket.waiting = 7
    expect(permitsWanted(bucket)).toBe(7)
  })

  test('are asked for again when old, though none is used', () => {
    const bucket = leased()
    expect(wantsLease(bucket, 10_000)).toBe(false)
    expect(wantsLease(bucket, 10_001)).toBe(true)
    expect(permitsWanted(bucket)).toBe(0)
  })

  test('shrink with a quota that was lowered', () => {
    const bucket = leased()
    enterLease(bucket, { granted: 0, perMinute: 60, fullInMs: 0 }, 0, 11_000)
    expect(bucket.permits).toBe(2)
  })
})

describe('a refusal', () => {
  test.each<[string, number, number, number]>([
    ['the next permit is far off: a second at most', MINUTE_MS + 30_000, 30_100, 1_000],
    ['the next permit is near: a tenth of a second at least', MINUTE_MS - 99, 1, 100],
  ])('%s', (_, fullInMs, permitAt, refusedUntil) => {
    const bucket = createBucket('default')
    enterLease(bucket, { granted: 0, perMinute: 600, fullInMs }, 20, 0)
    expect(bucket.permitAt).toBe(permitAt)
    expect(bucket.refusedUntil).toBe(refusedUntil)
    expect(wantsLease(bucket, refusedUntil - 1)).toBe(false)
    expect(wantsLease(bucket, refusedUntil)).toBe(true)
  })
})

describe('without the database', () => {
  test('a process counts against the whole quota, and no further', () => {
    const bucket = createBucket('default')
    enterFailure(bucket, 0)
    let taken = 0
    while (takePermit(bucket, 0)) taken += 1
    expect(taken).toBe(600)
    expect(stateOf(bucket, 0)).toEqual({ remaining: 0, fullInS: 60 })
    expect(takePermit(bucket, 99)).toBe(false)
    expect(takePermit(bucket, 100)).toBe(true)
    enterFailure(bucket, 1_000)
    expect(stateOf(bucket, 1_000).remaining).toBe(9)
  })

  test('uses up first what it has leased', () => {
    const bucket = leased(1)
    enterFailure(bucket, 0)
    takePermit(bucket, 0)
    expect(bucket.alone?.fullAt).toBe(0)
  })

  test('asks once a second, and counts with the others again when there is an answer', () => {
    const bucket = createBucket('default')
    enterFailure(bucket, 0)
    expect([wantsLease(bucket, 999), wantsLease(bucket, 1_000)]).toEqual([false, true])
    enterLease(bucket, { granted: 20, perMinute: 600, fullInMs: 2_000 }, 20, 1_000)
    expect(bucket.alone).toBeNull()
  })
})
