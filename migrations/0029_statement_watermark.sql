-- An index for the watermark of the realtime total, which counts what deliveries said too: a refund that is told of again with an
-- earlier time, or two keys that turn out to be one order, change the total without a row in the ledger. While it is built the worker that enters deliveries waits; taking them in goes on.
set local role skeldir_owner;

create index canonical_events_recorded_idx on canonical_events (tenant_id, recorded_at);

reset role;
