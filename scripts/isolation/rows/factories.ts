/**
 * Column values for tables whose CHECKs and triggers cannot be met by trying, as SQL text by table and column. Empty
 * while the catalogue alone suffices; a line that the generator does not need may be deleted at any time.
 */
export const FACTORIES: Record<string, Record<string, string>> = {
  'public.tenants': { matched_from: '0.9', minor_from: '0.75', severe_below: '0.5' },
}

/** Tables whose triggers add rows to others: while one is filled they rest, so that each has the rows that it is given. */
export const ADDS_ROWS: ReadonlySet<string> = new Set(['public.tenants'])
