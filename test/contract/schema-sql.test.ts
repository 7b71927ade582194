import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { printSchema } from '../../scripts/generate/schema-sql.ts'
import { createTestDatabase } from '../support/database.ts'

/** What a reviewer must be able to see; each line changes a security or a correctness property of the database. */
const TABLE = [
  `create table ledger (
     tenant_id uuid not null, id bigint generated always as identity, kind text not null check (kind in ('a', 'b')),
     amount numeric(12,2) default 1.5, doubled numeric generated always as (amount * 2) stored, primary key (tenant_id, id))`,
  'create index ledger_kind_idx on ledger (kind) where amount > 1',
  'alter table ledger enable row level security',
  'alter table ledger force row level security',
  'create policy open_to_runtime on ledger to app_user, app_worker using (true) with check (amount > 0)',
  'create policy own on ledger as restrictive for select to app_user using (tenant_id is not null)',
  'create trigger quiet before update on ledger for each row execute function suppress_redundant_updates_trigger()',
  'alter table ledger disable trigger quiet',
  'grant select (id, kind), update (kind) on ledger to app_user',
  'grant insert on ledger to app_worker',
  'grant insert on ledger to app_ingest',
  "comment on column ledger.amount is 'major units, isn''t it'",
]
const OTHERS = [
  'create schema "Odd name"; create table "Odd name".t (a int references ledger_kinds (id) deferrable)',
  "create function peek() returns int language sql security definer set search_path = '' as 'select 1'",
  'revoke all on function peek() from public',
  'grant execute on function peek() to app_user',
  'create view safe with (security_barrier) as select id from ledger_kinds',
  'alter default privileges grant select on tables to app_ro',
]

async function printAfter(statements: string[]): Promise<string> {
  const database = await createTestDatabase({ empty: true })
  onTestFinished(database.drop)
  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  try {
    for (const statement of ['create table ledger_kinds (id int unique)', ...statements]) await client.query(statement)
    return await printSchema(client)
  } finally {
    await client.end()
  }
}

test('the printed schema says who may do what', async () => {
  const text = await printAfter([...TABLE, ...OTHERS])
  for (const line of [
    'id bigint not null generated always as identity',
    'amount numeric(12,2) default 1.5',
    'doubled numeric generated always as ((amount * (2)::numeric)) stored',
    'constraint ledger_pkey PRIMARY KEY (tenant_id, id)',
    'CREATE INDEX ledger_kind_idx ON public.ledger USING btree (kind) WHERE (amount > (1)::numeric);',
    'alter table public.ledger enable row level security;',
    'alter table public.ledger force row level security;',
    'create policy open_to_runtime on public.ledger as permissive for all to app_user, app_worker\n  using (true)\n  with check ((amount > (0)::numeric));',
    'create policy own on public.ledger as restrictive for select to app_user\n  using ((tenant_id IS NOT NULL));',
    'alter table public.ledger disable trigger quiet;',
    'grant insert on public.ledger to app_ingest, app_worker;',
    'grant select (id, kind), update (kind) on public.ledger to app_user;',
    "comment on column public.ledger.amount is 'major units, isn''t it';",
    'create schema "Odd name";',
    'constraint t_a_fkey FOREIGN KEY (a) REFERENCES public.ledger_kinds(id) DEFERRABLE',
    ' SECURITY DEFINER\n',
    'grant execute on function public.peek() to app_user;',
    'create view public.safe with (security_barrier=true) as',
  ]) {
    expect(text).toContain(line)
  }
  expect(text).toMatch(/^-- default privileges of \S+ on tables: select to app_ro/m)
  expect(text).not.toMatch(/peek\(\) to .*public;/)
})

test('the order in which things were made does not show', async () => {
  const [create = '', ...rest] = TABLE
  // The trigger has to be there before it is disabled.
  const later = rest.filter((statement) => !statement.startsWith('alter table ledger disable'))
  expect(await printAfter([create, ...later.toReversed()])).toBe(await printAfter([create, ...later]))
})
