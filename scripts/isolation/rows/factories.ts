/**
 * Column values for tables whose CHECKs and triggers cannot be met by trying, as SQL text by table and column. Empty
 * while the catalogue alone suffices; a line that the generator does not need may be deleted at any time.
 */
export const FACTORIES: Record<string, Record<string, string | null>> = {
  // What is reversed is a dispute, and what is corrected an entry like it.
  'public.ledger_entries': {
    kind: 'capture',
    amount_minor: '1999',
    reverses_entry_key: null,
    corrects_entry_key: null,
  },
  // As above; and the parts are no more than their total.
  'public.order_parts': {
    conversion_id: null,
    total_minor: '1999',
    tax_minor: '0',
    shipping_minor: '0',
    tip_minor: '0',
  },
  // Only what failed has a message.
  'public.view_refreshes': { outcome: 'failure', message: 'It failed.' },
  // A fact comes from a delivery or from a conversion.
  'public.order_facts': { conversion_id: null },
  // The retention may empty them, and change them in no other way: rows that are alike are changed to what they are.
  'public.dead_events': { payload: null },
  'public.webhook_events': { payload: '{}' },
  'public.tenants': { offboarded_at: null, matched_from: '0.9', minor_from: '0.75', severe_below: '0.5' },
}

/** Tables whose triggers add rows to others: while one is filled they rest, so that each has the rows that it is given. */
export const ADDS_ROWS: ReadonlySet<string> = new Set([
  'public.tenants',
  'public.ledger_entries',
  'public.uncounted_entries',
  'public.order_parts',
  'public.fx_rates',
  'public.published_runs',
  'public.published_day_runs',
  'public.attribution_editions',
  'public.touchpoints',
  'public.order_facts',
  'public.canonical_events',
  'public.order_groups',
  'public.poll_cursors',
  'public.poll_findings',
])
