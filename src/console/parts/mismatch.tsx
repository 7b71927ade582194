import type { ServedBy } from '../api/outcome.ts'
import { Days } from './facts.tsx'
import type { Window } from './window-picker.tsx'

/**
 * A mock answers with the contract's example, whatever it was asked. Its figures must not pass for an answer to the
 * question.
 */
export function Mismatch({
  asked,
  given,
  servedBy,
  also = [],
}: {
  asked: Window
  given: Window
  servedBy: ServedBy
  /** What else was asked and what is answered; an absent wish is met by anything. */
  also?: readonly { wish: string | undefined; given: string; text: string }[]
}) {
  const isWindow = asked.start_date === given.start_date && asked.end_date === given.end_date
  const others = also.filter((one) => one.wish !== undefined && one.wish !== one.given)
  if (isWindow && others.length === 0) return null
  return (
    <p class="note">
      {servedBy === 'mock'
        ? 'A mock gives the contract’s example, whatever it is asked. '
        : 'This is not the answer to what was asked. '}
      It is about <Days from={given.start_date} to={given.end_date} />
      {others.map(({ text }) => `, ${text}`)}.
    </p>
  )
}
