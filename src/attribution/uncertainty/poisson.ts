import { drawUint32s, seedFrom } from './generator.ts'

/** A draw has the weight k when k of these are not above it: the distribution of Poisson(1), in parts of 2^32. */
const THRESHOLDS = Uint32Array.of(
  1580030168,
  3160060337,
  3950075421,
  4213413783,
  4279248373,
  4292415291,
  4294609777,
  4294923276,
  4294962463,
  4294966817,
  4294967252,
  4294967292,
  4294967295,
)

/** The weight of the lowest draw with these upper 8 bits: most draws with them have the same. */
const LEAST_WEIGHTS = Uint8Array.from({ length: 256 }, (_, upper) => countUntil(0, upper * 2 ** 24))

/** The Poisson(1) weight of one draw: 0 to 13. */
export function poissonWeight(uint32: number): number {
  return countUntil(LEAST_WEIGHTS[uint32 >>> 24] as number, uint32)
}

function countUntil(least: number, uint32: number): number {
  let weight = least
  while (weight < THRESHOLDS.length && (THRESHOLDS[weight] as number) <= uint32) weight += 1
  return weight
}

/** How often each unit is in one resample; the same for the same text on any machine. `draws` is room to work in. */
export function drawPoissonWeights(seedText: string, weights: Uint8Array, draws: Uint32Array): void {
  drawUint32s(seedFrom(seedText), draws)
  for (let unit = 0; unit < weights.length; unit += 1) weights[unit] = poissonWeight(draws[unit] as number)
}
