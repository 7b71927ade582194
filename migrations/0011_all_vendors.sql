-- PayPal and WooCommerce deliver too. Expand only: what the older code writes stays valid.
set local role skeldir_owner;

alter table webhook_endpoints
  drop constraint webhook_endpoints_vendor_check,
  add constraint webhook_endpoints_vendor_check check (vendor in ('stripe', 'shopify', 'paypal', 'woocommerce'));
alter table webhook_events
  drop constraint webhook_events_vendor_check,
  add constraint webhook_events_vendor_check check (vendor in ('stripe', 'shopify', 'paypal', 'woocommerce'));
alter table dead_events
  drop constraint dead_events_vendor_check,
  add constraint dead_events_vendor_check check (vendor in ('stripe', 'shopify', 'paypal', 'woocommerce'));
alter table ledger_entries
  drop constraint ledger_entries_vendor_check,
  add constraint ledger_entries_vendor_check check (vendor in ('stripe', 'shopify', 'paypal', 'woocommerce')),
  drop constraint ledger_entries_order_key_check,
  add constraint ledger_entries_order_key_check
    check (order_key ~ '^(shopify|stripe|paypal|woocommerce):[A-Za-z0-9_-]{1,128}$');
alter table order_facts
  drop constraint order_facts_order_key_check,
  add constraint order_facts_order_key_check
    check (order_key ~ '^(shopify|stripe|paypal|woocommerce):[A-Za-z0-9_-]{1,128}$');
