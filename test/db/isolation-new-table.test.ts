import pg from 'pg'
import { expect, test } from 'vitest'
import { readModel } from '../../scripts/isolation/catalogue.ts'
import { cellsOf, runMatrix } from '../../scripts/isolation/matrix.ts'
import { runMutants, tableJudges } from '../../scripts/isolation/mutants/run.ts'
import { mutateTable } from '../../scripts/isolation/mutants/table-operators.ts'
import { describeFinding } from '../../scripts/isolation/report.ts'
import { seedRows } from '../../scripts/isolation/rows/seed.ts'
import { checkStructure } from '../../scripts/isolation/structure/check.ts'
import { REVIEWED } from '../../scripts/isolation/structure/fault.ts'
import { createProverDatabase } from '../support/isolation.ts'

/** What a later migration might bring: every kind of column, conditions between them, keys and foreign keys. */
const MIGRATION = `
  set role skeldir_owner;
  create type weather as enum ('sun', 'rain');
  create domain percentage as numeric(5, 2) check (value between 0 and 100);
  create table stations (
    tenant_id  uuid not null references tenants (tenant_id),
    station_id uuid not null default gen_random_uuid(),
    code       text not null check (code ~ '^[A-Z]{2}-[0-9]{4}$'),
    parent_id  uuid,
    primary key (tenant_id, station_id),
    unique (tenant_id, code),
    foreign key (tenant_id, parent_id) references stations (tenant_id, station_id)
  );
  create table readings (
    tenant_id   uuid not null,
    station_id  uuid not null,
    number      bigint generated always as identity,
    sky         weather not null,
    humidity    percentage not null,
    low         integer not null check (low >= -90),
    high        integer not null check (high <= 60),
    mean        numeric generated always as ((low + high) / 2.0) stored,
    opens       time not null,
    on_day      date not null,
    at          timestamptz not null,
    until       timestamptz not null check (until >= at),
    lasted      interval not null,
    source      inet,
    during      tstzrange,
    tags        text[] not null check (cardinality(tags) between 1 and 3),
    weights     integer[] not null,
    details     jsonb not null check (jsonb_typeof(details) = 'object'),
    digest      bytea not null check (octet_length(digest) = 20),
    state       text not null default 'open' check (state in ('open', 'closed')),
    closed_at   timestamptz,
    quoted      text not null check (quoted <> 'it''s' and length(quoted) <= 12),
    primary key (tenant_id, station_id, at),
    foreign key (tenant_id, station_id) references stations (tenant_id, station_id),
    check (low <= high),
    check ((state = 'closed') = (closed_at is not null))
  );
  create table station_settings (
    tenant_id uuid not null primary key references tenants (tenant_id),
    station_id uuid not null,
    limits     jsonb not null default '{}',
    foreign key (tenant_id, station_id) references stations (tenant_id, station_id)
  );
  call internal.isolate_by_tenant('stations', array['app_user', 'app_ro']);
  call internal.isolate_by_tenant('readings', array['app_user', 'app_worker']);
  call internal.isolate_by_tenant('station_settings', array['app_user']);
  grant select, insert, update, delete on stations to app_user;
  grant select on stations to app_ro;
  grant select, insert, update, delete on readings to app_user;
  grant insert on readings to app_worker;
  grant select (tenant_id, number) on readings to app_worker;
  grant select, insert, update on station_settings to app_user;
  reset role`

test('tables of a migration yet to come are filled, tried and mutated without a word about them', {
  timeout: 120_000,
}, async ({ onTestFinished }) => {
  const prover = await createProverDatabase()
  onTestFinished(prover.drop)
  const client = new pg.Client({ connectionString: prover.admin })
  client.on('error', () => {})
  await client.connect()
  await client.query(MIGRATION)
  const model = await readModel(client)
  expect(checkStructure(model)).toEqual([])

  const tables = model.relations.filter(({ name }) => /\.(stations|readings|station_settings)$/.test(name))
  expect(tables).toHaveLength(3)
  const seed = await seedRows(client, model, tables, 1)
  await client.end()
  const cells = new Map(tables.map((table) => [table.name, cellsOf(table, seed, REVIEWED, 1)]))
  const { findings, cells: tried } = await runMatrix([...cells.values()].flat(), prover, seed.markers)
  expect(findings.map(describeFinding)).toEqual([])
  expect(tried).toBeGreaterThan(1_500)

  const mutants = tables.flatMap((table) => {
    const rows = seed.tables.get(table.name)
    return rows === undefined ? [] : mutateTable(table, rows, model.relations)
  })
  const telling = mutants.filter(({ equivalent }) => equivalent === null)
  const results = await runMutants(telling, [prover.admin], tableJudges(model, REVIEWED, cells, seed.markers))
  expect(telling.length).toBeGreaterThan(60)
  expect(results.filter(({ byStructure }) => byStructure === null).map(({ mutant }) => mutant.id)).toEqual([])
  expect(results.filter(({ byBehaviour }) => byBehaviour === null).map(({ mutant }) => mutant.id)).toEqual([])
})
