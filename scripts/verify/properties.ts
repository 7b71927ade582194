import { attributionProperties } from './properties/attribution.ts'
import { checkProperty } from './properties/property.ts'

/** Runs every property and prints a line for each; resolves to the exit code: 0 all hold, 1 one does not. */
export function verifyProperties({
  isJson,
  cases,
  seed,
  say,
}: {
  isJson: boolean
  cases: number
  seed: number
  say: (line: string) => void
}): number {
  say(`${cases} cases of each, seed ${seed}`)
  const results = attributionProperties.map((property) => {
    const started = performance.now()
    const counterexample = checkProperty(property, { cases, seed })
    say(`${property.name}: ${((performance.now() - started) / 1000).toFixed(1)} s`)
    return { name: property.name, holds: counterexample === null, counterexample }
  })
  const failed = results.filter(({ holds }) => !holds)
  const lines = results.map(({ name, counterexample }) => `${counterexample === null ? 'holds' : 'FAILS'}  ${name}`)
  const summary = `${results.length} properties, ${cases} cases of each, seed ${seed}: ${failed.length} fail`
  const report = [...lines, '', ...failed.map(({ counterexample }) => counterexample), summary, ''].join('\n')
  process.stdout.write(isJson ? `${JSON.stringify({ cases, seed, results })}\n` : report)
  return failed.length === 0 ? 0 : 1
}
