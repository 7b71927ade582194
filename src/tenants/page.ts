/** A part of a list. `nextCursor` is null where nothing follows. */
export interface Page<Item> {
  items: Item[]
  nextCursor: string | null
}
