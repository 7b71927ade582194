-- What the books hold, as one line for each table: how many rows, and a hash of all of them. Two databases with the same lines
-- hold the same. As a superuser, whom row level security does not bind:
--   psql --no-psqlrc --quiet --tuples-only --file scripts/deploy/fingerprint.sql postgres://postgres:…@host/skeldir
set timezone = 'UTC';
select name, count(*), encode(sha256(convert_to(coalesce(string_agg(hash, '' order by hash collate "C"), ''), 'UTF8')), 'hex')
from (
  select 'tenants' as name, md5(t::text) as hash from tenants as t
  union all select 'webhook_events', md5(t::text) from webhook_events as t
  union all select 'touchpoints', md5(t::text) from touchpoints as t
  union all select 'order_facts', md5(t::text) from order_facts as t
  union all select 'order_parts', md5(t::text) from order_parts as t
  union all select 'ledger_entries', md5(t::text) from ledger_entries as t
  union all select 'published_day_runs', md5(t::text) from published_day_runs as t
  union all select 'attribution_orders', md5(t::text) from attribution_orders as t
  union all select 'attribution_order_credits', md5(t::text) from attribution_order_credits as t
  union all select 'audit_log', md5(t::text) from audit_log as t
) as row
group by name
order by name;
