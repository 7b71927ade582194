-- Credits by ledger entry: one row holds what up to sixteen touches of an order get of the entry, by all models. A row for each
-- touch, as 0023 has it, costs an index entry of 150 bytes and a header for some 200 bytes of figures, ten times over.
--
-- The release before goes on with rows by touch, which keep their table under another name; attribution_order_credits is a view
-- over both now, row by touch as before, and what the release before adds to it goes where its rows are. The engine's version is
-- another one, so each tenant gets a new edition, in the new rows alone. A later migration drops the table and the view.
set local role skeldir_owner;

alter table attribution_order_credits rename to attribution_touch_credits;
alter index attribution_order_credits_pkey rename to attribution_touch_credits_pkey;
alter index attribution_order_credits_taken_idx rename to attribution_touch_credits_taken_idx;

-- Over a revision the credits sum to the net revenue of the order, exactly.
create table attribution_entry_credits (
  tenant_id          uuid          not null,
  edition_id         uuid          not null,
  order_key          text          not null,
  revision           integer       not null,
  entry_key          text          not null,   -- the ledger entry that is shared out
  position           integer       not null check (position >= 0),   -- of the first touch of these in the journey
  kind               text          not null check (kind in ('capture', 'refund', 'dispute')),
  currency           text          not null,
  ordered_at         timestamptz   not null,
  occurred_at        timestamptz   not null,   -- of the entry: when the money came or went
  channels           text[]        not null check (cardinality(channels) between 1 and 16),   -- '(unattributed)' alone: there is no touch
  campaigns          text[],                   -- these five by touch, as the channels; null where there is no touch
  touch_origins      text[],
  touch_external_ids text[],
  touched_at         timestamptz[],
  tiers              text[],                   -- how it is known whose touch it was
  revenue_minor      bigint[]      not null,   -- touch by touch, each in the order of the edition's models; negative for a refund
  conversion_micro   integer[]     not null,   -- likewise, millionths of an order; 0 on refunds and on further captures
  is_reporting       boolean       not null,   -- whether the currency is the reporting one of the edition
  reporting_minor    bigint[]      check (not is_reporting or reporting_minor is null),   -- in that; null where a rate is missing
  primary key (tenant_id, edition_id, order_key, revision, entry_key, position),
  check (cardinality(revenue_minor) % cardinality(channels) = 0 and cardinality(conversion_micro) = cardinality(revenue_minor))
) with (toast_tuple_target = 8160);   -- rows of some kilobytes stay whole, and uncompressed
create index attribution_entry_credits_taken_idx on attribution_entry_credits (tenant_id, edition_id, occurred_at) where kind <> 'capture';   -- reports by refund date
call internal.isolate_by_tenant('attribution_entry_credits', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_entry_credits');
grant select on attribution_entry_credits to app_user, app_ro;
grant select, insert on attribution_entry_credits to app_worker;

-- How the worker sends them. A release with other columns adds a type of its own.
create type attribution_entry_credit_row as (
  order_key text, entry_key text, "position" integer, kind text, currency text, ordered_at timestamptz, occurred_at timestamptz,
  channels text[], campaigns text[], touch_origins text[], touch_external_ids text[], touched_at timestamptz[], tiers text[],
  revenue_minor bigint[], conversion_micro integer[], is_reporting boolean, reporting_minor bigint[]
);

-- Credits by touch, of whichever rows. What model k gets stands in their arrays at place models_before + k, k from 1 on.
create view attribution_credits_by_touch with (security_invoker = true) as
select c.tenant_id, c.edition_id, c.order_key, c.revision, c.entry_key, c.position, c.kind, c.currency, c.ordered_at, c.occurred_at,
       c.channel, c.campaign, c.touch_origin, c.touch_external_id, c.touched_at, c.tier,
       cardinality(c.revenue_minor) as models, 0 as models_before,
       c.revenue_minor, c.conversion_micro::integer[] as conversion_micro, c.reporting_minor
from attribution_touch_credits as c
union all
select c.tenant_id, c.edition_id, c.order_key, c.revision, c.entry_key, c.position + t.place::integer - 1, c.kind, c.currency,
       c.ordered_at, c.occurred_at, t.channel, t.campaign, t.touch_origin, t.touch_external_id, t.touched_at, t.tier,
       cardinality(c.revenue_minor) / cardinality(c.channels),
       (t.place::integer - 1) * (cardinality(c.revenue_minor) / cardinality(c.channels)), c.revenue_minor, c.conversion_micro,
       case when c.is_reporting then c.revenue_minor else c.reporting_minor end
from attribution_entry_credits as c
cross join lateral unnest(c.channels, c.campaigns, c.touch_origins, c.touch_external_ids, c.touched_at, c.tiers)
  with ordinality as t (channel, campaign, touch_origin, touch_external_id, touched_at, tier, place);
grant select on attribution_credits_by_touch to app_user, app_worker, app_ro;

-- The same as the release before has it: the arrays of a row are those of its touch.
create view attribution_order_credits with (security_invoker = true) as
select c.tenant_id, c.edition_id, c.order_key, c.revision, c.entry_key, c.position, c.kind, c.currency, c.ordered_at, c.occurred_at,
       c.channel, c.campaign, c.touch_origin, c.touch_external_id, c.touched_at, c.tier,
       c.revenue_minor[c.models_before + 1 : c.models_before + c.models] as revenue_minor,
       (c.conversion_micro[c.models_before + 1 : c.models_before + c.models])::bigint[] as conversion_micro,
       c.reporting_minor[c.models_before + 1 : c.models_before + c.models] as reporting_minor
from attribution_credits_by_touch as c;
grant select on attribution_order_credits to app_user, app_ro;
grant select, insert on attribution_order_credits to app_worker;

create function internal.add_touch_credit() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.attribution_touch_credits values (new.*);
  return new;
end
$$;
create trigger add_touch_credit instead of insert on attribution_order_credits
  for each row execute function internal.add_touch_credit();

-- Sums modulo 2^256 of the hashes of a run's orders: one order that changes moves them, and the others need not be read again. Null
-- where the release before made the run.
alter table attribution_day_runs
  add column input_sum bytea check (octet_length(input_sum) = 32),
  add column output_sum bytea check (octet_length(output_sum) = 32),
  add check ((input_sum is null) = (output_sum is null));

-- By time first: an index that begins as the primary key does was taken for it where a planner has no statistics yet, and an order was
-- looked for among all orders of its edition.
drop index attribution_orders_time_idx;
create index attribution_orders_time_idx on attribution_orders (tenant_id, ordered_at, edition_id);
