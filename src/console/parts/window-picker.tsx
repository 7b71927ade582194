import { useState } from 'preact/hooks'
import { lastDays } from '../format/time.ts'

/** Days, both inclusive, as the contract takes them. */
export interface Window {
  start_date: string
  end_date: string
}

const SPANS = [1, 7, 30, 90] as const
const OWN = 'own'

export function firstWindow(): Window {
  return lastDays(30, new Date())
}

export function WindowPicker({ value, onChange }: { value: Window; onChange: (window: Window) => void }) {
  const [span, setSpan] = useState('30')
  const choose = (chosen: string) => {
    setSpan(chosen)
    if (chosen !== OWN) onChange(lastDays(Number(chosen), new Date()))
  }
  /** A half-typed date is empty. */
  const set = (name: keyof Window, day: string) => {
    if (day !== '') onChange({ start_date: value.start_date, end_date: value.end_date, [name]: day })
  }
  return (
    <>
      <label>
        <span>Window</span>
        <select value={span} onChange={(event) => choose(event.currentTarget.value)}>
          {SPANS.map((days) => (
            <option key={days} value={days}>
              {days === 1 ? 'Today (UTC)' : `Last ${days} days`}
            </option>
          ))}
          <option value={OWN}>From … to …</option>
        </select>
      </label>
      {span === OWN && (
        <>
          <label>
            <span>First day</span>
            <input
              type="date"
              value={value.start_date}
              onChange={(event) => set('start_date', event.currentTarget.value)}
            />
          </label>
          <label>
            <span>Last day</span>
            <input
              type="date"
              value={value.end_date}
              onChange={(event) => set('end_date', event.currentTarget.value)}
            />
          </label>
        </>
      )}
    </>
  )
}
