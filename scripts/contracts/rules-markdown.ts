import { parseYaml } from '@redocly/openapi-core'
import { isObject } from '../generate/json.ts'
import type { Gate } from './gate.ts'

const START = '<!-- rules:start -->'
const END = '<!-- rules:end -->'
const TITLE = '## What `npm run contracts:check` holds'

/** Markdown: one table for the gates and rules, and the rules of Redocly that redocly.yaml switches on. */
export function renderRules(gates: readonly Gate[], redoclyYaml: string): string {
  const rows = gates.flatMap(({ name, rules }) =>
    rules.map(
      ({ id, description }) => `| ${name} | \`${id.slice(name.length + 1)}\` | ${description.replaceAll('|', '\\|')} |`,
    ),
  )
  const { own, built } = redoclyRules(redoclyYaml)
  const configured = own.map(({ name, message }) => `| lint | \`${name}\` | ${message.replaceAll('|', '\\|')} |`)
  return [
    '| gate | rule | what must hold |',
    '|---|---|---|',
    ...rows,
    ...configured,
    '',
    `From Redocly, as \`redocly.yaml\` sets them: ${built.map((name) => `\`${name}\``).join(', ')}.`,
  ].join('\n')
}

function redoclyRules(text: string): { own: { name: string; message: string }[]; built: string[] } {
  const parsed: unknown = parseYaml(text)
  const rules = isObject(parsed) && isObject(parsed.rules) ? parsed.rules : {}
  const own = Object.entries(rules).flatMap(([id, rule]) =>
    id.startsWith('rule/') && isObject(rule) ? [{ name: id.slice('rule/'.length), message: String(rule.message) }] : [],
  )
  return { own, built: Object.keys(rules).filter((id) => !id.startsWith('rule/')) }
}

/** The README with a fresh table; at its end where there are no marks yet. */
export function insertRules(readme: string, table: string): string {
  const start = readme.indexOf(START)
  const end = readme.indexOf(END)
  if (start === -1 || end === -1) return `${readme.trimEnd()}\n\n${TITLE}\n\n${START}\n${table}\n${END}\n`
  return `${readme.slice(0, start + START.length)}\n${table}\n${readme.slice(end)}`
}
