import type pg from 'pg'

/** The template's policy as it is printed for Citus, which refuses sub-selects; null where migrations have no such form. */
export async function printCitusDialect(client: pg.Client): Promise<string | null> {
  await client.query('begin')
  try {
    const { rows } = await client.query(
      "select to_regprocedure('internal.isolate_by_tenant(regclass, name[])') is not null as known",
    )
    if (rows[0].known !== true) return null
    await client.query(`
      set local role skeldir_owner;
      set local skeldir.policy_dialect = 'citus';
      create table public.planted (tenant_id uuid not null primary key);
      call internal.isolate_by_tenant('public.planted', array['app_user'])`)
    const printed = await client.query<{ using: string }>(
      "select pg_get_expr(polqual, polrelid) as using from pg_policy where polrelid = 'public.planted'::regclass and not polpermissive",
    )
    const condition = printed.rows[0]?.using ?? null
    return condition?.toLowerCase().includes('select') === true ? null : condition
  } finally {
    await client.query('rollback')
  }
}
