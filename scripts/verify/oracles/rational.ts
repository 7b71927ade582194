/** A fraction in lowest terms; the denominator is above 0. */
export interface Rational {
  readonly top: bigint
  readonly bottom: bigint
}

export function rational(top: bigint | number, bottom: bigint | number = 1n): Rational {
  const [a, b] = [BigInt(top), BigInt(bottom)]
  if (b === 0n) throw new RangeError('division by zero')
  const divisor = greatestCommonDivisor(a < 0n ? -a : a, b < 0n ? -b : b) * (b < 0n ? -1n : 1n)
  return { top: a / divisor, bottom: b / divisor }
}

export const ZERO = rational(0)

export function add(a: Rational, b: Rational): Rational {
  return rational(a.top * b.bottom + b.top * a.bottom, a.bottom * b.bottom)
}

export function subtract(a: Rational, b: Rational): Rational {
  return rational(a.top * b.bottom - b.top * a.bottom, a.bottom * b.bottom)
}

export function multiply(a: Rational, b: Rational): Rational {
  return rational(a.top * b.top, a.bottom * b.bottom)
}

export function divide(a: Rational, b: Rational): Rational {
  return rational(a.top * b.bottom, a.bottom * b.top)
}

/** `2565/241`, or `2` without a denominator. */
export function parseFraction(text: string): Rational {
  const [top = '', bottom = '1'] = text.split('/')
  return rational(BigInt(top), BigInt(bottom))
}

export function toText({ top, bottom }: Rational): string {
  return bottom === 1n ? String(top) : `${top}/${bottom}`
}

/** The nearest number, but for the last place. */
export function toNumber({ top, bottom }: Rational): number {
  const magnitude = top < 0n ? -top : top
  if (magnitude === 0n) return 0
  // Shifted so that the quotient has some 64 bits, of which a number keeps 53.
  const shift = BigInt(bottom.toString(2).length - magnitude.toString(2).length + 64)
  const quotient = shift >= 0n ? (magnitude << shift) / bottom : magnitude / (bottom << -shift)
  return (top < 0n ? -1 : 1) * Number(quotient) * 2 ** -Number(shift)
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [left, right] = [a, b]
  while (right !== 0n) [left, right] = [right, left % right]
  return left
}
