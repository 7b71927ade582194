-- A statement may be of an entry that is booked for another order than it names: the time of that entry moves too.
set local role skeldir_owner;

create or replace function internal.note_statements() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.attribution_changes (tenant_id, order_key)
  select n.tenant_id, n.order_key from new_rows as n where n.entry_key is not null
  union
  select n.tenant_id, l.order_key
  from new_rows as n
  join public.ledger_entries as l on l.tenant_id = n.tenant_id and l.entry_key = n.entry_key;
  return null;
end
$$;
