/** Coefficients of rational approximations, highest power first. */
interface Rational {
  numerator: readonly number[]
  denominator: readonly number[]
}

/**
 * Wichura's AS 241 (PPND16), which R's qnorm uses: relative error about 1e-16 in the centre and in both tails.
 * Source: M. J. Wichura (1988), Applied Statistics 37(3), 477-484.
 */
const CENTRE: Rational = {
  numerator: [
    2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946, 1971.5909503065513,
    133.14166789178438, 3.3871328727963665,
  ],
  denominator: [
    5226.495278852546, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751, 687.1870074920579,
    42.31333070160091, 1,
  ],
}
const NEAR_TAIL: Rational = {
  numerator: [
    0.0007745450142783414, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045,
    5.769497221460691, 4.630337846156546, 1.4234371107496835,
  ],
  denominator: [
    1.0507500716444169e-9, 0.0005475938084995345, 0.015198666563616457, 0.14810397642748008, 0.6897673349851,
    1.6763848301838038, 2.053191626637759, 1,
  ],
}
const FAR_TAIL: Rational = {
  numerator: [
    2.0103343992922881e-7, 0.000027115555687434876, 0.0012426609473880784, 0.026532189526576124, 0.29656057182850487,
    1.7848265399172913, 5.463784911164114, 6.657904643501103,
  ],
  denominator: [
    2.0442631033899397e-15, 1.421511758316446e-7, 0.000018463183175100548, 0.0007868691311456133, 0.014875361290850615,
    0.1369298809227358, 0.599832206555888, 1,
  ],
}

/** The z with Φ(z) = `probability`: the inverse of the standard normal distribution. ±Infinity at 0 and 1. */
export function normalQuantile(probability: number): number {
  if (!(probability >= 0 && probability <= 1)) throw new RangeError('a probability lies between 0 and 1')
  const distance = probability - 0.5
  if (Math.abs(distance) <= 0.425) return distance * ratioAt(CENTRE, 0.180625 - distance * distance)
  const tail = distance < 0 ? probability : 1 - probability
  if (tail === 0) return distance < 0 ? -Infinity : Infinity
  const root = Math.sqrt(-Math.log(tail))
  const magnitude = root <= 5 ? ratioAt(NEAR_TAIL, root - 1.6) : ratioAt(FAR_TAIL, root - 5)
  return distance < 0 ? -magnitude : magnitude
}

/**
 * The quantile of Student's t, by its expansion around the normal one: five digits from 15 degrees of freedom on, for
 * probabilities between 0.005 and 0.995; fewer degrees are refused.
 * Source: Abramowitz and Stegun, 26.7.5.
 */
export function studentQuantile(probability: number, degreesOfFreedom: number): number {
  if (!(degreesOfFreedom >= 15)) throw new RangeError('the expansion needs 15 degrees of freedom')
  const z = normalQuantile(probability)
  const square = z * z
  const terms = [
    horner([79, 776, 1482, -1920, -945], square) / 92_160,
    horner([3, 19, 17, -15], square) / 384,
    horner([5, 16, 3], square) / 96,
    (square + 1) / 4,
    1,
  ]
  return z * horner(terms, 1 / degreesOfFreedom)
}

function ratioAt({ numerator, denominator }: Rational, x: number): number {
  return horner(numerator, x) / horner(denominator, x)
}

function horner(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0)
}
