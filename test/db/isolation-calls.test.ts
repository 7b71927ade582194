import pg from 'pg'
import { expect, test } from 'vitest'
import { callsOf, fingerprintOf, readKnownValues, runCalls } from '../../scripts/isolation/calls/calls.ts'
import { readModel } from '../../scripts/isolation/catalogue.ts'
import type { DefinerException } from '../../scripts/isolation/exceptions.ts'
import { tablesToFill } from '../../scripts/isolation/matrix.ts'
import { seedRows } from '../../scripts/isolation/rows/seed.ts'
import { openSession } from '../../scripts/isolation/session.ts'
import { REVIEWED } from '../../scripts/isolation/structure/fault.ts'
import { createProverDatabase } from '../support/isolation.ts'
import { shareOf } from '../support/share.ts'

const definer = (signature: string, returns: string, body: string) => `
  create function internal.${signature} returns ${returns} language plpgsql security definer set search_path = '' as $$
  begin ${body} end $$;
  revoke execute on function internal.${signature} from public;
  grant execute on function internal.${signature} to app_user;`

/** Functions that run as the superuser, each with a hole that a reviewer could miss. */
const HOLES = `
  create table internal.marks (subject bytea not null, note text not null);
  ${definer(
    'mark(for_tenant uuid, kind text, thing uuid)',
    'void',
    `if for_tenant is distinct from nullif(current_setting('app.current_tenant_id', true), '')::uuid
        or kind not in ('person', 'place') then raise exception 'no'; end if;
     insert into internal.marks values (sha256(convert_to(concat_ws('/', kind, for_tenant, thing), 'UTF8')), kind);`,
  )}
  ${definer(
    'rename_tenant(of_tenant uuid, new_name text)',
    'void',
    'update public.tenants as t set name = left(new_name, 20) where t.tenant_id = of_tenant;',
  )}
  ${definer(
    'slug_of(of_tenant uuid)',
    'text',
    'return (select t.slug || t.name from public.tenants as t where t.tenant_id = of_tenant);',
  )}
  ${definer(
    'own_name(of_tenant uuid)',
    'text',
    `return (select t.name from public.tenants as t
             where t.tenant_id = of_tenant and t.tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid);`,
  )}`

const reviewed: DefinerException = { reason: 'a test', roles: ['app_user'], reach: 'context' }

test.for(shareOf([1, 2], 1, 'holes of functions'))(
  'holes of functions are found by calling them, with seed %i',
  { timeout: 120_000 },
  async (seed, { onTestFinished }) => {
    const prover = await createProverDatabase()
    onTestFinished(prover.drop)
    const client = new pg.Client({ connectionString: prover.admin })
    client.on('error', () => {})
    await client.connect()
    await client.query(HOLES)
    const model = await readModel(client)
    const rows = await seedRows(client, model, tablesToFill(model, REVIEWED), seed)
    const known = await readKnownValues(client, model, rows)
    await client.end()

    const planted = model.routines.filter(({ signature }) =>
      /\.(mark|rename_tenant|slug_of|own_name)\(/.test(signature),
    )
    expect(planted).toHaveLength(4)
    const DEFINERS = Object.fromEntries(planted.map(({ signature }) => [signature, reviewed]))
    const calls = callsOf(planted, { ...REVIEWED, DEFINERS }, rows, known, seed, 12)
    const session = await openSession(prover.admin, { takesRole: true })
    const findings = await runCalls(session, calls, rows, fingerprintOf(model, rows))
    await session.end()
    const found = Map.groupBy(findings, ({ call }) => call.relation)
    const details = (signature: string) =>
      found
        .get(`internal.${signature}`)
        ?.map(({ detail }) => detail)
        .join('\n') ?? ''
    expect(details('mark(uuid,text,uuid)')).toContain('writes outside of a tenant')
    expect(details('rename_tenant(uuid,text)')).toContain('changes rows of another tenant')
    expect(details('slug_of(uuid)')).toMatch(/answers .* of another tenant/)
    expect(details('own_name(uuid)')).toBe('')
  },
)
