/** What a rate may be. */
export interface RateInterval {
  low: number
  high: number
}

/**
 * The 95 % credible interval of a conversion rate, Beta(c + 1/2, n − c + 1/2), equal tails. Null for no journeys: there
 * is no rate without a sample. Throws RangeError unless 0 ≤ c ≤ n.
 * Source: Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion" (2001), Statistical Science 16(2).
 */
export function jeffreysInterval(conversions: number, journeys: number): RateInterval | null {
  if (!(conversions >= 0 && conversions <= journeys)) throw new RangeError('conversions are 0 to journeys')
  if (journeys === 0) return null
  const [a, b] = [conversions + 0.5, journeys - conversions + 0.5]
  return { low: betaQuantile(0.025, a, b), high: betaQuantile(0.975, a, b) }
}

/** By bisection, to 12 digits. */
function betaQuantile(probability: number, a: number, b: number): number {
  let [below, above] = [0, 1]
  while (above - below > 1e-13 * above) {
    const middle = (below + above) / 2
    if (middle === below || middle === above) break
    if (betaDistribution(middle, a, b) < probability) below = middle
    else above = middle
  }
  return (below + above) / 2
}

/** I_x(a, b), from the continued fraction on the side where it converges fast. */
function betaDistribution(x: number, a: number, b: number): number {
  const isLeft = x < (a + 1) / (a + b + 2)
  const [y, p, q] = isLeft ? [x, a, b] : [1 - x, b, a]
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + p * Math.log(y) + q * Math.log1p(-y)) / p
  const tail = front * betaFraction(y, p, q)
  return isLeft ? tail : 1 - tail
}

/** Modified Lentz. Source: https://dlmf.nist.gov/8.17#v */
function betaFraction(x: number, a: number, b: number): number {
  const TINY = 1e-300
  const away = (value: number) => (Math.abs(value) < TINY ? TINY : value)
  let c = 1
  let d = 1 / away(1 - ((a + b) * x) / (a + 1))
  let fraction = d
  for (let m = 1; m < 10_000; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    let step = 1
    for (const term of [even, odd]) {
      d = 1 / away(1 + term * d)
      c = away(1 + term / c)
      step = c * d
      fraction *= step
    }
    if (Math.abs(step - 1) < 1e-15) break
  }
  return fraction
}

/** ln Γ(x) for x > 0, by Stirling's series above 10 and the recurrence below. Source: https://dlmf.nist.gov/5.11#E1 */
function logGamma(x: number): number {
  let shift = 0
  let z = x
  for (; z < 10; z += 1) shift += Math.log(z)
  const inverse = 1 / (z * z)
  const series =
    (1 / 12 -
      inverse *
        (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse * (1 / 1188 - inverse * (691 / 360360)))))) /
    z
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift
}
