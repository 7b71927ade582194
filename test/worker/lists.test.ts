import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { tasks } from '../../src/main/app.ts'
import { pools, queueNames, queues, URGENT } from '../../src/queue/queues.ts'
import { schedules } from '../../src/queue/schedules.ts'
import { obeyPrivacyRequest } from '../../src/webhooks/jobs.ts'

const contract = parse(readFileSync(new URL('../../api-contracts/openapi/v1/jobs.yaml', import.meta.url), 'utf8'))

test('every schedule has its task, and every task of the clock its schedule', () => {
  const byTheClock = tasks.flatMap(({ name, cron }) => (cron === undefined ? [] : [[name, cron]]))
  expect(Object.fromEntries(byTheClock)).toEqual(
    Object.fromEntries(Object.entries(schedules).map(([name, { cron }]) => [name, cron])),
  )
})

test('each task has a name of its own, and a queue that is worked', () => {
  const names = tasks.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  for (const { queue } of tasks) expect(queueNames).toContain(queue)
})

test('an erasure is urgent, and its queue has room for what is', () => {
  expect(obeyPrivacyRequest.priority).toBeGreaterThanOrEqual(URGENT)
  expect(pools[obeyPrivacyRequest.queue as 'maintenance'].urgentAtOnce).toBeGreaterThan(0)
})

test('the contract names the queues whose jobs can fail for good', () => {
  const withDeadLetters = queues.flatMap(({ name, deadLetter }) => (deadLetter === null ? [] : [name]))
  const named = Object.values<{ enum?: string[] }>(contract.components.schemas).filter(
    (schema) => schema.enum?.includes('housekeeping') === true,
  )
  expect(named.map((schema) => schema.enum?.toSorted())).toEqual([withDeadLetters.toSorted()])
})
