import type { ComponentChildren } from 'preact'

/** How much of a limit is used. What is above the limit is cut off in the drawing and stands in the text. */
export function Meter({
  name,
  parts,
  limit,
  text,
  detail,
}: {
  name: string
  /** Used, then reserved; of the limit's unit. */
  parts: readonly [number, number]
  limit: number
  text: string
  detail: ComponentChildren
}) {
  const share = (value: number) => (limit <= 0 ? 0 : Math.min(100, (100 * value) / limit))
  const used = share(parts[0])
  const both = share(parts[0] + parts[1])
  return (
    <div class="meter">
      <p class="meter-name">{name}</p>
      <p class="meter-text">{text}</p>
      <svg width="100%" height="10" aria-hidden="true">
        <rect class="track" width="100%" height="10" rx="5" />
        <rect class="reserved" width={`${both}%`} height="10" rx="5" />
        <rect class="used" width={`${used}%`} height="10" rx="5" />
      </svg>
      <p class="fine">{detail}</p>
    </div>
  )
}
