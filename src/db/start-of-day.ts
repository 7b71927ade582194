import { type RawBuilder, sql } from 'kysely'

/**
 * The instant at which a day begins in a time zone. Where clocks go back over midnight (`Atlantic/Azores`, `America/Havana`) a day
 * has 00:00 twice, and Postgres takes the second: the day begins with the first, as much earlier as clocks went back.
 */
export function startOfDay(day: RawBuilder<unknown>, timeZone: RawBuilder<unknown>): RawBuilder<unknown> {
  const midnight = sql`(${day}::timestamp at time zone ${timeZone})`
  const tick = sql`interval '1 microsecond'`
  return sql`(${midnight} - greatest(interval '0', (${midnight} - ${tick}) at time zone ${timeZone} + ${tick} - ${day}::timestamp))`
}
