import { parseArgs } from 'node:util'
import { type Environment, findUnknownVariables, readSettings, type Setting, settings } from '../config.ts'
import { deriveKeyRing } from '../secrets/keyring.ts'
import { readLocalPlatform } from './environment.ts'

const HELP = `Prints the configuration in effect: every variable, its value, and where that came from.

  npx skeldir config [--json]

  --json    [{name, value, source, meaning}], and the faults, to stdout
  --help    this text

Passwords and keys are masked; of a master key its id is shown, which tells two keys apart and nothing else. Ends with 1
when the configuration has faults, all of which are listed.
`

/** Where a value came from. `derived`: from other settings, as `meaning` says. */
export type Source = 'environment' | 'local platform' | 'derived' | 'default' | 'not set'

export interface EffectiveSetting {
  name: string
  /** Masked; null where there is none. */
  value: string | null
  source: Source
  meaning: string
}

export interface EffectiveConfig {
  settings: EffectiveSetting[]
  faults: readonly string[]
  /** Variables that are set, look like ours, and are read by nobody. */
  unknown: readonly string[]
}

/** What each setting is and why. `local`: what the platform of this checkout adds where the environment is silent. */
export function explainConfig(env: Environment, local: Environment = {}): EffectiveConfig {
  const merged = { ...local, ...withoutEmpty(env) }
  const { config, faults } = readSettings(merged)
  const rows = Object.entries<Setting>(settings).map(([name, setting]): EffectiveSetting => {
    const value = setting.effective(config, merged)
    const source = sourceOf(name, setting, { env, local, value })
    return {
      name,
      value: value === undefined ? null : mask(setting, value, config.masterKeys),
      source,
      meaning: setting.meaning,
    }
  })
  return { settings: rows, faults, unknown: findUnknownVariables(env) }
}

function withoutEmpty(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value))
}

function sourceOf(
  name: string,
  setting: Setting,
  { env, local, value }: { env: Environment; local: Environment; value: string | undefined },
): Source {
  if (env[name]) return 'environment'
  if (local[name]) return 'local platform'
  if (value === undefined) return 'not set'
  return setting.secret === 'password' || name === 'SKELDIR_PUBLIC_URL' ? 'derived' : 'default'
}

function mask({ secret }: Setting, value: string, masterKeys: readonly Buffer[]): string {
  if (secret === 'whole') return keyIds(masterKeys)
  if (secret !== 'password') return value
  const url = new URL(value)
  if (url.password !== '') url.password = '***'
  // A password may stand among the parameters too (libpq allows it).
  for (const name of [...url.searchParams.keys()]) {
    if (/pass|secret|key/i.test(name)) url.searchParams.set(name, '***')
  }
  return url.href
}

function keyIds(masterKeys: readonly Buffer[]): string {
  const whole = masterKeys.filter((key) => key.length === 32)
  if (whole.length === 0) return '***'
  return deriveKeyRing(whole)
    .wrappingKeys.map(({ kid }) => kid)
    .join(', ')
}

/** `skeldir config`. Returns the status to end with. */
export function runConfig(args: readonly string[]): number {
  const { values } = parseArgs({ args: [...args], options: { json: { type: 'boolean' }, help: { type: 'boolean' } } })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const effective = explainConfig(process.env, readLocalPlatform())
  if (values.json === true) process.stdout.write(`${JSON.stringify(effective, null, 2)}\n`)
  else process.stdout.write(toTable(effective))
  for (const fault of effective.faults) process.stderr.write(`fault: ${fault}\n`)
  for (const name of effective.unknown) process.stderr.write(`${name} is set, and no setting has that name\n`)
  return effective.faults.length === 0 ? 0 : 1
}

function toTable({ settings: rows }: EffectiveConfig): string {
  const width = (pick: (row: EffectiveSetting) => string) => Math.max(...rows.map((row) => pick(row).length))
  const names = width(({ name }) => name)
  const sources = width(({ source }) => source)
  return rows
    .map(({ name, value, source }) => `${name.padEnd(names)}  ${source.padEnd(sources)}  ${value ?? '-'}\n`)
    .join('')
}
