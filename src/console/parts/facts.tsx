import type { ComponentChildren } from 'preact'
import { formatDay, formatInstant } from '../format/time.ts'

/** Names and values; a null value is left out. */
export function Facts({ of, class: extra = '' }: { of: Readonly<Record<string, ComponentChildren>>; class?: string }) {
  return (
    <dl class={`facts ${extra}`}>
      {Object.entries(of)
        .filter(([, value]) => value !== null)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}

export function Instant({ at, zone = 'UTC' }: { at: string; zone?: string }) {
  return <time dateTime={at}>{formatInstant(at, zone)}</time>
}

/** Both ends inclusive. */
export function Days({ from, to }: { from: string; to: string }) {
  const first = <time dateTime={from}>{formatDay(from)}</time>
  return from === to ? (
    first
  ) : (
    <>
      {first} to <time dateTime={to}>{formatDay(to)}</time>
    </>
  )
}
