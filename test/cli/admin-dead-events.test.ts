import { expect, test } from 'vitest'
import { adminOf } from '../support/admin.ts'
import { givenDead, readMoney } from '../support/dead-events.ts'
import { usePlatform } from '../support/platform.ts'
import { readAudit } from '../support/tenants.ts'

const platform = usePlatform()

test('an operator lists, looks into, replays and closes dead events', async () => {
  const admin = adminOf(platform)
  const { tenant, endpoint, deadEventId } = await givenDead(platform)
  const { deadEventId: cut } = await givenDead(platform, { endpoint, spoiled: 'no end' })
  await givenDead(platform)
  const of = ['--tenant', tenant.slug]

  const { items } = await admin.json('list-dead-events', ...of)
  expect(items).toMatchObject([
    { dead_event_id: cut, class: 'malformed', status: 'pending', seen: 1 },
    { dead_event_id: deadEventId, code: 'bad_amount', topic: 'orders/paid' },
  ])
  const { items: some } = await admin.json('list-dead-events', ...of, '--code', 'bad_amount', '--limit', '1')
  expect(some).toHaveLength(1)
  const shown = await admin.json('show-dead-event', ...of, '--dead-event', deadEventId)
  expect(shown).toMatchObject({ code: 'bad_amount', payload: expect.stringContaining('total_price'), replays: [] })

  const dry = await admin.json('replay-dead-events', ...of, '--vendor', 'shopify', '--dry-run')
  expect(dry).toMatchObject({ matched: 2, recovered: 1, still_dead: 1 })
  expect(dry.revenue_changes).toEqual([expect.stringMatching(/^USD captured (\d+\.\d\d), .* net revenue \1$/)])
  expect(await readMoney(platform, tenant)).toEqual([])

  const closing = [...of, '--dead-event', cut, '--status', 'abandoned', '--note', 'Half of a body.']
  expect(await admin.json('resolve-dead-event', ...closing)).toEqual({ dead_event_id: cut, status: 'abandoned' })
  const again = await admin.refusal('resolve-dead-event', ...closing)
  expect(again).toEqual({ status: 1, sentence: 'skeldir: This dead event is closed already.' })
  const run = await admin.json('replay-dead-events', ...of, '--dead-event', cut, '--dead-event', deadEventId)
  expect(run).toMatchObject({ matched: 1, status: 'queued' })
  const acts = (await readAudit(platform, tenant)).filter(({ action }) => action.startsWith('dead_event.'))
  expect(acts.map(({ action, actorKind }) => [action, actorKind])).toEqual([
    ['dead_event.closed', 'operator'],
    ['dead_event.replayed', 'operator'],
  ])
})

test.each([
  ['a replay of everything', ['replay-dead-events', '--tenant', 't'], 'needs a filter'],
  ['an unknown class', ['list-dead-events', '--tenant', 't', '--class', 'odd'], '--class is one of malformed,'],
])('refuses %s', async (_, args, sentence) => {
  const refusal = await adminOf(platform).refusal(...args)
  expect(refusal.status).toBe(2)
  expect(refusal.sentence).toContain(sentence)
})
