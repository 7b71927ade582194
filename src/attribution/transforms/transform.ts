import type { Adjustable, ModelParameters } from '../models/model.ts'

/**
 * What is done to a journey after it is put in order and before models see it, as a named version. A touch that it leaves out
 * gets no credit.
 *
 * Every transform keeps something of a journey that has touches, and keeps the same where touches that it leaves out are
 * missing: so an order keeps its credits when touches without any are removed at the end of their time.
 * Source of the vectors in the tests: https://github.com/google/fractribution and
 * https://github.com/snowplow/dbt-snowplow-fractribution
 */
export interface PathTransform extends Adjustable {
  /** Semantic; a change in what it keeps by the same parameters is a new one. */
  version: string
  /** Indexes of the touches that stay, ascending. */
  keep(journey: readonly { channel: string }[], parameters: ModelParameters): readonly number[]
}
