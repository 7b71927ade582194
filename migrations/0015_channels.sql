-- Touches that browsers and orders report are classified where they are written: ingestion reads the tenant's channel
-- rules, and the origins that its pages have, which are no referrers.
set local role skeldir_owner;

alter policy open_to_runtime on channel_rule_versions to app_rw, app_user, app_worker, app_ro, app_ingest;
alter policy tenant_only on channel_rule_versions to app_rw, app_user, app_worker, app_ro, app_ingest;
grant select on channel_rule_versions to app_ingest;

alter policy open_to_runtime on tenant_allowed_origins to app_rw, app_user, app_ingest;
alter policy tenant_only on tenant_allowed_origins to app_rw, app_user, app_ingest;
grant select on tenant_allowed_origins to app_ingest;
