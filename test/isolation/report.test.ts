import { expect, test } from 'vitest'
import { type IsolationReport, summarize, toText } from '../../scripts/isolation/report.ts'

const clean: IsolationReport = {
  seed: 1,
  postgres: 180_004,
  tables: { tenant: ['public.things'], outside: [], views: [] },
  functions: { all: 1, definers: [] },
  faults: [],
  cells: 10,
  findings: [],
  calls: 1,
  callFindings: [],
  oracles: [{ id: 'explain', status: 'accepted', detail: 'a reason' }],
  mutants: [noticed('rule', 'leak')],
  pool: null,
  citus: { dialect: null, notes: [] },
  durations: {},
}

function noticed(byStructure: string | null, byBehaviour: string | null, equivalent: string | null = null) {
  const mutant = {
    id: 'public.things: x',
    relation: 'public.things',
    operator: 'x',
    sql: [],
    equivalent,
    isClusterWide: false,
  }
  return { mutant, byStructure, byBehaviour }
}

const cell = {
  relation: 'public.things',
  role: 'app_user',
  context: 'other' as const,
  operation: 'SELECT',
  setting: null,
  sql: 'select 1',
  expect: {},
  isGranted: true,
  seesAll: false,
}
const pool = { transactions: 1, connections: 1, handedOut: 1, made: 1, troubles: {} as never }

test('a clean report is proven, and ends with the two figures', () => {
  expect(summarize(clean)).toMatchObject({ isProven: true, leaks: 0, killed: 1, mutants: 1 })
  expect(toText(clean)).toMatch(/\n0 leaks\n1\/1 mutants killed\n$/)
})

test('a fault that no statement could tell is killed by the structure alone, with its reason', () => {
  const report = { ...clean, mutants: [noticed('rule', null, 'nobody writes')] }
  expect(summarize(report)).toMatchObject({
    isProven: true,
    killed: 1,
    structureOnly: 1,
    alike: [['nobody writes', 1]],
  })
  expect(toText(report)).toContain('1 x nobody writes')
})

test.each<[name: string, change: Partial<IsolationReport>, shown: string, leaks: number]>([
  ['a survivor', { mutants: [noticed(null, null)] }, 'survived: public.things: x', 0],
  [
    'a survivor that was called equivalent',
    { mutants: [noticed(null, null, 'a reason')] },
    'survived: public.things: x',
    0,
  ],
  ['a gap of the behaviour', { mutants: [noticed('rule', null)] }, 'missed by the behaviour: public.things: x', 0],
  ['no planted faults', { mutants: null }, 'mutants not tried', 0],
  [
    'a fault',
    { faults: [{ rule: 'force', object: 'public.things', detail: 'is open' }] },
    'force: public.things is open',
    0,
  ],
  [
    'a leak',
    { findings: [{ cell, verdict: { kind: 'leak', detail: 'seen' } }] },
    'leak: public.things, SELECT as app_user',
    1,
  ],
  [
    'a difference',
    { findings: [{ cell, verdict: { kind: 'difference', detail: 'gone' } }] },
    'difference: public.things',
    0,
  ],
  [
    'a call',
    { callFindings: [{ call: cell, detail: 'answers it' }] },
    'public.things as app_user, SELECT: answers it',
    1,
  ],
  ['an oracle', { oracles: [{ id: 'explain', status: 'open', detail: 'tells' }] }, 'explain: tells', 1],
  [
    'an oracle that is reviewed and silent',
    { oracles: [{ id: 'explain', status: 'unneeded', detail: 'mute' }] },
    'explain: mute',
    0,
  ],
  ['a context in the pool', { pool: { ...pool, faults: ['left behind'] } }, 'left behind', 1],
])('%s is not proven, and is shown', (_, change, shown, leaks) => {
  const report = { ...clean, ...change }
  expect(summarize(report)).toMatchObject({ isProven: false, leaks })
  expect(toText(report)).toContain(shown)
})
