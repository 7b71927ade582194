/**
 * Revenue of a channel over its spend x in one period: beta · x^a / (k^a + x^a), the Hill curve. Spend and revenue are in
 * minor units of one currency, as estimates: money that is paid or credited is never held in these numbers.
 *
 * `a` <= 1 is concave; above 1 the curve is S-shaped. A curve that is fitted to attributed revenue says what is credited
 * to the channel, which need not be caused by it.
 */
export interface ResponseCurve {
  /** Revenue that unbounded spend approaches. Above 0. */
  beta: number
  /** Spend that brings half of beta. Above 0. */
  k: number
  /** Steepness. Above 0. */
  a: number
}

/** Newton's method ends with a step that changes nothing but the last digits. */
const RELATIVE_TOLERANCE = 1e-15
/** Six are usual; at the inflexion, where the slope vanishes, each step only halves the error. */
const MAX_STEPS = 200

/** Throws RangeError where a parameter is not a finite number above 0. */
export function requireCurve({ beta, k, a }: ResponseCurve): void {
  for (const [name, value] of Object.entries({ beta, k, a })) {
    if (!(value > 0 && Number.isFinite(value))) throw new RangeError(`${name} of a response curve is not above 0`)
  }
}

/** Revenue at a spend of 0 or more. */
export function responseAt(curve: ResponseCurve, spend: number): number {
  return curve.beta * saturation(curve, spend)
}

/** What one more unit of spend brings. At a spend of 0: Infinity for a < 1, beta / k for a = 1, and 0 for a > 1. */
export function marginalAt(curve: ResponseCurve, spend: number): number {
  const { beta, k, a } = curve
  if (spend === 0) {
    if (a === 1) return beta / k
    return a < 1 ? Infinity : 0
  }
  const rest = 1 / (1 + (spend / k) ** a)
  return (beta * a * saturation(curve, spend) * rest) / spend
}

/** The spend at which the marginal is largest, where the curve turns from convex to concave; 0 for a <= 1. */
export function inflexionOf({ k, a }: ResponseCurve): number {
  return a <= 1 ? 0 : k * ((a - 1) / (a + 1)) ** (1 / a)
}

/**
 * The largest spend whose marginal is `marginal` (above 0): the one beyond the inflexion, where less is brought by each
 * further unit. Null where no spend brings that much.
 */
export function spendAtMarginal(curve: ResponseCurve, marginal: number): number | null {
  const { beta, k, a } = curve
  const peak = marginalAt(curve, inflexionOf(curve))
  if (marginal > peak) return null
  if (a === 1) return k * (Math.sqrt(beta / (k * marginal)) - 1)
  // With v = ln(spend / k) the logarithm of the marginal is concave, so that Newton's method from the right never
  // steps over the root. The start is where its bound -(a + 1) v meets the wanted value.
  const wanted = Math.log(marginal) + Math.log(k) - Math.log(beta) - Math.log(a)
  let v = -wanted / (a + 1)
  for (let step = 0; step < MAX_STEPS; step++) {
    const power = Math.exp(-Math.abs(a * v))
    const logOnePlus = Math.max(a * v, 0) + Math.log1p(power)
    const share = a * v > 0 ? 1 / (1 + power) : power / (1 + power)
    const excess = (a - 1) * v - 2 * logOnePlus - wanted
    const slope = a - 1 - 2 * a * share
    if (excess >= 0 || slope >= 0) break
    const change = excess / slope
    v -= change
    if (change <= RELATIVE_TOLERANCE * Math.max(1, Math.abs(v))) break
  }
  return k * Math.exp(v)
}

/**
 * The curve over a spend that is the same in each period, where `theta` of what was carried into a period is carried
 * into the next (geometric adstock, 0 <= theta < 1): the effective spend settles at spend / (1 - theta).
 */
export function overSteadySpend(curve: ResponseCurve, theta: number): ResponseCurve {
  requireCarryOver(theta)
  return { ...curve, k: curve.k * (1 - theta) }
}

/** Effective spend of each period: its own and `theta` times that of the one before. */
export function adstock(spends: readonly number[], theta: number): number[] {
  requireCarryOver(theta)
  let carried = 0
  return spends.map((spend) => {
    carried = spend + theta * carried
    return carried
  })
}

/** The part of beta that is reached, between 0 and 1. */
export function saturation({ k, a }: ResponseCurve, spend: number): number {
  return spend === 0 ? 0 : 1 / (1 + (k / spend) ** a)
}

function requireCarryOver(theta: number): void {
  if (!(theta >= 0 && theta < 1)) throw new RangeError('the part that is carried over is at least 0 and below 1')
}
