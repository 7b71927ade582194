import type { AggregatedPath, ChannelCredit } from '../paths.ts'

/** One touch of a journey, as a model sees it. */
export interface ModelTouch {
  channel: string
  /** Microseconds since 1970, UTC. */
  occurredAtUs: bigint
}

export type ParameterValue = number | boolean | string | readonly number[]

/** What a model version is set to: every parameter of the model, checked by `resolveParameters`. */
export type ModelParameters = Readonly<Record<string, ParameterValue>>

/** What one parameter may be. Numbers are whole: weights come from them without rounding. */
export type ParameterRule =
  | { kind: 'integer'; initial: number; min: number; max: number; about: string }
  | { kind: 'integers'; initial: readonly number[]; min: number; max: number; maxItems: number; about: string }
  | { kind: 'flag'; initial: boolean; about: string }
  | { kind: 'choice'; initial: string; values: readonly string[]; about: string }
  | { kind: 'text'; initial: string; maxLength: number; about: string }

interface ModelData<P extends ModelParameters> {
  /** Matches ^[a-z_]{1,40}$. */
  name: string
  /** Semantic; a change in what the model computes from the same parameters is a new one. */
  version: string
  /** One sentence. */
  about: string
  parameters: Readonly<Record<keyof P & string, ParameterRule>>
  /** Why these parameters cannot go together; null when they can. Each is within its own bounds already. */
  contradiction?(parameters: P): string | null
}

/** A model that shares out each order by itself, so that its credits make a ledger. */
export interface OrderModel<P extends ModelParameters = ModelParameters> extends ModelData<P> {
  level: 'order'
  /**
   * Weights over the touches of one journey: whole numbers on one scale, none negative, not all zero. Touches come
   * oldest first, none of them later than the conversion; at least one. Money is shared by `allocate` over them.
   */
  weigh(journey: readonly ModelTouch[], conversionAtUs: bigint, parameters: P): readonly bigint[]
}

/** A model that needs all journeys at once and says nothing of a single order. */
export interface ChannelModel<P extends ModelParameters = ModelParameters> extends ModelData<P> {
  level: 'channel'
  /** Why an order has no credit of this model; shown to whoever asks for it. */
  refusal: string
  /** One row for each channel that the paths name, by channel in code unit order. */
  attribute(paths: readonly AggregatedPath[], parameters: P): ChannelCredit[]
}

export type AttributionModel = OrderModel | ChannelModel

/** What parameters can be set of: a model, among others. */
export type Adjustable = Pick<OrderModel, 'name' | 'parameters' | 'contradiction'>

export type ModelFault =
  | 'unknown_model'
  | 'unknown_transform'
  | 'not_order_level'
  | 'unknown_parameter'
  | 'wrong_type'
  | 'out_of_bounds'
  | 'contradiction'

/** A model that does not exist, or is asked for what it cannot do or take. The message is fit for the caller. */
export class ModelError extends Error {
  override name = 'ModelError'
  readonly code: ModelFault
  /** Null where it is not one parameter alone. */
  readonly parameter: string | null

  constructor(code: ModelFault, parameter: string | null, message: string) {
    super(message)
    this.code = code
    this.parameter = parameter
  }
}
