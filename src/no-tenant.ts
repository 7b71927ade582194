/** The tenant of whoever acts for none: no row is its. */
export const NO_TENANT = '00000000-0000-0000-0000-000000000000'
