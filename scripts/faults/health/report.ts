import { toTable } from '../../load/table.ts'

/** What a fault and its end may take to be told. */
export const MAX_FLIP_MS = 2_000

export interface Flip {
  trouble: string
  probe: string
  /** Milliseconds from the fault to the first answer that tells it, and from its end to the first one that is good. */
  there: number[]
  back: number[]
  /** What it said. */
  says: string
}

export interface Peace {
  seconds: number
  requests: number
  rows: { probe: string; answers: number; falseFlips: number; says: string[] }[]
}

export interface Report {
  seed: number
  flips: Flip[]
  peace: Peace
  failures: string[]
  tookMs: number
}

const ms = (value: number) => value.toFixed(0)
const worst = (values: readonly number[]) => Math.max(...values)
const middle = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number

export function toText({ seed, flips, peace, failures, tookMs }: Report): string {
  return [
    `faults health, seed ${seed}: milliseconds until a probe tells the fault, and until it tells the end of it`,
    '',
    ...toTable(
      ['fault', 'probe', 'says', 'times', 'median', 'worst', 'back median', 'back worst', 'verdict'],
      flips.map(({ trouble, probe, says, there, back }) => [
        trouble,
        probe,
        says,
        String(there.length),
        ms(middle(there)),
        ms(worst(there)),
        ms(middle(back)),
        ms(worst(back)),
        worst([...there, ...back]) <= MAX_FLIP_MS ? 'passed' : 'FAILED',
      ]),
      3,
    ),
    '',
    `${peace.seconds} s of peace, every probe measured anew, ${peace.requests} requests of load beside them`,
    '',
    ...toTable(
      ['probe', 'answers', 'false', 'verdict'],
      peace.rows.map(({ probe, answers, falseFlips }) => [
        probe,
        String(answers),
        String(falseFlips),
        falseFlips === 0 ? 'passed' : 'FAILED',
      ]),
      1,
    ),
    ...(failures.length === 0 ? [] : ['', ...failures.slice(0, 20).map((failure) => `  ${failure}`)]),
    '',
    `${failures.length === 0 ? `passed: every fault and its end within ${MAX_FLIP_MS} ms, none that was not` : 'FAILED'} in ${(tookMs / 1000).toFixed(0)} s`,
    '',
  ].join('\n')
}

export function toJson({ tookMs, ...report }: Report): string {
  return `${JSON.stringify({ passed: report.failures.length === 0, took_ms: Math.round(tookMs), ...report })}\n`
}
