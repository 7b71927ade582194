import { Fragment } from 'preact'
import { type Scale, toBar } from './scale.ts'

export interface Bar {
  key: string
  label: string
  /** Under the label, such as a share. */
  detail?: string
  value: number
  /** The value as it is written. */
  text: string
  /** Where the value lies with some probability. */
  interval?: { low: number; high: number } | null
  tone?: 'plain' | 'quiet' | 'second'
}

/** Pixels. */
const MIN_HEIGHT = 22
const THICKNESS = 14

export interface BarGroup {
  /** Stands above its bars; without it the group has no heading. */
  name?: string
  bars: readonly Bar[]
}

/** Horizontal bars on one scale. Places are in percent, so the drawing follows the width of the page. */
export function Bars({
  groups,
  scale,
  tick,
}: {
  groups: readonly BarGroup[]
  scale: Scale
  tick: (value: number) => string
}) {
  return (
    <div class="bars">
      {groups.map(({ name, bars }) => (
        <Fragment key={name}>
          {name !== undefined && <span class="bar-group">{name}</span>}
          {bars.map((bar) => (
            <div key={bar.key} class="bar-row">
              <span class="bar-label">
                {bar.label}
                {bar.detail !== undefined && <small>{bar.detail}</small>}
              </span>
              <span class="bar-text">{bar.text}</span>
              <BarDrawing bar={bar} scale={scale} />
            </div>
          ))}
        </Fragment>
      ))}
      <div class="bar-row axis">
        <svg width="100%" height="18" aria-hidden="true">
          {scale.ticks.map((value, index) => (
            <text
              key={value}
              x={percent(scale.at(value))}
              y="13"
              text-anchor={index === 0 ? 'start' : index === scale.ticks.length - 1 ? 'end' : 'middle'}
            >
              {tick(value)}
            </text>
          ))}
        </svg>
      </div>
    </div>
  )
}

function BarDrawing({ bar, scale }: { bar: Bar; scale: Scale }) {
  const { start, length } = toBar(scale, bar.value)
  const tone = bar.value < 0 ? 'negative' : (bar.tone ?? 'plain')
  return (
    <svg width="100%" height={MIN_HEIGHT} aria-hidden="true">
      {scale.ticks.map((value) => (
        <line
          key={value}
          class={value === 0 ? 'zero' : 'grid'}
          x1={percent(scale.at(value))}
          x2={percent(scale.at(value))}
          y1="0"
          y2="100%"
        />
      ))}
      {/* Its own origin, since the row may be higher than the bar and y takes no sum of percent and pixels. */}
      <svg y="50%" aria-hidden="true">
        <rect
          class={`bar ${tone}`}
          data-value={bar.value}
          x={percent(start)}
          y={-THICKNESS / 2}
          width={percent(length)}
          height={THICKNESS}
        />
        {bar.interval != null && <Interval low={scale.at(bar.interval.low)} high={scale.at(bar.interval.high)} />}
      </svg>
    </svg>
  )
}

/** A line with ends, on a broader one of the ground's colour, so that it shows upon the bar as well. */
function Interval({ low, high }: { low: number; high: number }) {
  const [start, end] = [percent(low), percent(high)]
  return (
    <g class="interval">
      {['ground', 'line'].map((layer) => (
        <g key={layer} class={layer}>
          <line x1={start} x2={end} y1="0" y2="0" />
          <line x1={start} x2={start} y1="-4" y2="4" />
          <line x1={end} x2={end} y1="-4" y2="4" />
        </g>
      ))}
    </g>
  )
}

/** To a hundred-thousandth, so that markup is the same in every browser. */
function percent(value: number): string {
  return `${Number(value.toFixed(5))}%`
}
