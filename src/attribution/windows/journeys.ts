import { createHash } from 'node:crypto'

/**
 * The journeys of a window as they are counted, in one order whatever they arrived in: by visitor, then orders by time and key,
 * then journeys without an order. Arrays of numbers, so that a million touches take some megabytes and pass to a thread as they are.
 *
 * A journey converts where it leads to an order of the window; its touches are those that the order's credits name. A journey
 * does not convert where no order credits its touches: the touches of one visitor between two orders, or after the last one,
 * up to the last of them that lies in the window, and no older than a lookback before that. So a touch that an order after the
 * window credits is in neither, and a visitor who is seen in the window without an order is in it once.
 */
export interface WindowJourneys {
  /** In code unit order; of all touches. */
  channels: string[]
  /** Visitors; an order of which no visitor is known stands for one. */
  units: number
  /** One entry for each journey: its visitor, never less than the one before. */
  unit: Int32Array
  /** 1 where it converts. */
  converts: Uint8Array
  /** Net revenue of the order in minor units; 0 where there is none. */
  valueMinor: Float64Array
  /** Of the order, in microseconds since 1970; 0 where there is none. */
  orderedAtUs: Float64Array
  /** Touches of journey j: `touch[touchesFrom[j]]` to `touch[touchesFrom[j + 1] - 1]`, oldest first. */
  touchesFrom: Int32Array
  /** Indexes into `channels`. */
  touch: Int32Array
  /** Microseconds since 1970, of touches before an order; 0 for the others, of which no model asks. */
  touchedAtUs: Float64Array
}

/** A journey as it is read. */
export interface JourneyRow {
  /** Who it is of; equal for journeys of one visitor, which follow each other. */
  unit: string
  /** Microseconds since 1970; null where it does not convert. */
  orderedAtUs: number | null
  /** Net revenue of the order in minor units; 0 where there is none. */
  valueMinor: number
  /** Separated by commas, oldest first; at least one. */
  channels: string
  /** Microseconds since 1970 of the same touches; empty where it does not convert. */
  touchedAtUs: readonly number[]
}

/** Throws RangeError for an order whose value a number does not carry exactly, or that is below 0. */
export function toJourneys(rows: readonly JourneyRow[]): WindowJourneys {
  const touches = rows.reduce((sum, { channels }) => sum + countParts(channels), 0)
  const names: string[] = []
  const indexOf = new Map<string, number>()
  const toIndex = (channel: string) => {
    const found = indexOf.get(channel)
    if (found !== undefined) return found
    indexOf.set(channel, names.length)
    names.push(channel)
    return names.length - 1
  }
  const touchesOf = new Map<string, number[]>()
  const journeys = {
    units: 0,
    unit: new Int32Array(rows.length),
    converts: new Uint8Array(rows.length),
    valueMinor: new Float64Array(rows.length),
    orderedAtUs: new Float64Array(rows.length),
    touchesFrom: new Int32Array(rows.length + 1),
    touch: new Int32Array(touches),
    touchedAtUs: new Float64Array(touches),
  }
  let next = 0
  for (const [journey, row] of rows.entries()) {
    if (row.unit !== rows[journey - 1]?.unit) journeys.units += 1
    journeys.unit[journey] = journeys.units - 1
    if (row.orderedAtUs !== null) {
      journeys.converts[journey] = 1
      journeys.orderedAtUs[journey] = row.orderedAtUs
      journeys.valueMinor[journey] = requireAmount(row.valueMinor)
      journeys.touchedAtUs.set(row.touchedAtUs, next)
    }
    // Many journeys have the same channels.
    const known = touchesOf.get(row.channels)
    const touched = known ?? row.channels.split(',').map(toIndex)
    if (known === undefined) touchesOf.set(row.channels, touched)
    journeys.touch.set(touched, next)
    next += touched.length
    journeys.touchesFrom[journey + 1] = next
  }
  const channels = names.toSorted()
  const sorted = Int32Array.from(names, (name) => channels.indexOf(name))
  for (let at = 0; at < touches; at += 1) journeys.touch[at] = sorted[journeys.touch[at] as number] as number
  return { channels, ...journeys }
}

/** What the figures follow from, as SHA-256: `settings` say how, and no id of ours is in it. */
export function hashJourneys(journeys: WindowJourneys, settings: string): Buffer {
  const hash = createHash('sha256').update(`${settings}\n${JSON.stringify(journeys.channels)}\n`)
  const { unit, converts, valueMinor, orderedAtUs, touchesFrom, touch, touchedAtUs } = journeys
  for (const column of [unit, converts, valueMinor, orderedAtUs, touchesFrom, touch, touchedAtUs]) {
    hash.update(`${column.length}\n`).update(new Uint8Array(column.buffer, column.byteOffset, column.byteLength))
  }
  return hash.digest()
}

function countParts(list: string): number {
  let count = 1
  for (let at = list.indexOf(','); at !== -1; at = list.indexOf(',', at + 1)) count += 1
  return count
}

function requireAmount(minor: number): number {
  if (!Number.isSafeInteger(minor) || minor < 0) throw new RangeError('the net revenue of an order is 0 to 2^53 - 1')
  return minor
}
