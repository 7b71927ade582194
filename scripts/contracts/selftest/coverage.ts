import { parseYaml } from '@redocly/openapi-core'
import { isObject } from '../../generate/json.ts'
import { gates } from '../gates.ts'
import { ELSEWHERE } from '../redocly.ts'
import { operators } from './operators.ts'

/** Rules that no fault of a copy can reach, with the reason. */
export const UNREACHABLE: Readonly<Record<string, string>> = {
  'bundle/self-contained': 'guards the bundler: a reference that leads nowhere is refused before',
  'bundle/deterministic': 'guards the bundler: no document makes it give two results',
  'breaking/second-opinion': 'tells what other tools think, and stops nothing',
  'lint/redocly': "stands for Redocly's rules, each of which has a fault of its own",
  'lint/no-identical-paths': 'bundle/joins says it before',
}

/** Rules of ours and of Redocly that no operator spoils. */
export function uncoveredRules(redoclyYaml: string): string[] {
  const covered = new Set(operators.map(({ rule }) => rule))
  const own = gates.flatMap(({ rules }) => rules.map(({ id }) => id))
  return [...own, ...redoclyRules(redoclyYaml)].filter((id) => !covered.has(id) && UNREACHABLE[id] === undefined)
}

function redoclyRules(text: string): string[] {
  const parsed: unknown = parseYaml(text)
  const rules = isObject(parsed) && isObject(parsed.rules) ? Object.keys(parsed.rules) : []
  return rules
    .filter((id) => id !== 'struct' && !ELSEWHERE.includes(id))
    .map((id) => `lint/${id.replace(/^rule\//, '')}`)
}
