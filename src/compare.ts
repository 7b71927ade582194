/** For sorting, ascending; text by code unit: no order of ours depends on a locale. */
export function compare<T extends string | number | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}
