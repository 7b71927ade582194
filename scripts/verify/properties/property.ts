import fc from 'fast-check'

/** A sentence that holds for all inputs. */
export interface Property {
  name: string
  property: fc.IRawProperty<unknown>
}

/** `holds` throws, or returns false, for an input that the sentence is not true of. */
export function property<T>(name: string, input: fc.Arbitrary<T>, holds: (input: T) => boolean | undefined): Property {
  return { name, property: fc.property(input, (one) => holds(one)) as fc.IRawProperty<unknown> }
}

/** Null when it holds for all the cases; otherwise the smallest counterexample, with the seed that leads to it. */
export function checkProperty(
  { property: one }: Property,
  { cases, seed }: { cases: number; seed: number },
): string | null {
  const result = fc.check(one as fc.IProperty<unknown>, { numRuns: cases, seed })
  return result.failed ? fc.defaultReportMessage(result) : null
}
