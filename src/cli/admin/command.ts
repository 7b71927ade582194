import type { Role } from '../../context.ts'
import type { ProcessContext } from '../../main/context.ts'
import { UsageError } from '../environment.ts'

/** All options of all commands: a name means the same everywhere. */
export const OPTIONS = {
  slug: { type: 'string' },
  name: { type: 'string' },
  currency: { type: 'string' },
  'time-zone': { type: 'string' },
  tenant: { type: 'string' },
  email: { type: 'string' },
  role: { type: 'string' },
  'allowed-origin': { type: 'string', multiple: true },
  scope: { type: 'string', multiple: true },
  'expires-at': { type: 'string' },
  replaces: { type: 'string' },
  'overlap-hours': { type: 'string' },
  'key-id': { type: 'string' },
  policy: { type: 'string' },
  'per-minute': { type: 'string' },
  action: { type: 'string' },
  actor: { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  limit: { type: 'string' },
  existing: { type: 'boolean' },
  confirm: { type: 'string' },
  'order-id': { type: 'string', multiple: true },
  'dry-run': { type: 'boolean' },
  vendor: { type: 'string' },
  class: { type: 'string' },
  code: { type: 'string' },
  status: { type: 'string' },
  'dead-event': { type: 'string', multiple: true },
  note: { type: 'string' },
} as const

export type OptionName = keyof typeof OPTIONS
type Multiple = 'allowed-origin' | 'scope' | 'order-id' | 'dead-event'
type Flag = 'existing' | 'dry-run'
type Single = Exclude<OptionName, Multiple | Flag>

export interface AdminInput {
  /** Opened at the first call: as app_rw. */
  ctx: () => ProcessContext
  /** The same as app_user, for what the API may do and app_rw may not. */
  api: () => ProcessContext
  operands: readonly string[]
  /** Throws UsageError where the option is missing or empty. */
  need: (name: Single) => string
  get: (name: Single) => string | undefined
  all: (name: Multiple) => string[]
  is: (name: Flag) => boolean
}

type Cell = string | number | boolean | null

/** Printed line by line, or as one JSON object. */
export type Facts = Record<string, Cell | readonly string[]>
/** Printed as a table, or as `{ "items": [...] }`. */
export interface Listing {
  columns: readonly string[]
  items: readonly Record<string, unknown>[]
}

export interface AdminCommand {
  /** What stands after `skeldir admin <verb>` in the help. */
  usage: string
  /** One line, where the usage does not say it. */
  summary?: string
  options: readonly OptionName[]
  takesOperands?: true
  run: (input: AdminInput) => Promise<Facts | Listing>
}

const ROLES: readonly string[] = ['viewer', 'manager', 'admin']

export function readRole(text: string): Role {
  if (!ROLES.includes(text)) throw new UsageError(`--role is one of ${ROLES.join(', ')}`)
  return text as Role
}

/** RFC 3339, such as 2027-03-01T00:00:00Z. */
export function readTime(name: OptionName, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text)
  const time = new Date(text)
  if (isTime && !Number.isNaN(time.getTime())) return time
  throw new UsageError(`--${name} is a time such as 2027-03-01T00:00:00Z, and not ${JSON.stringify(text)}`)
}

export function readWhole(name: OptionName, text: string, { min, max }: { min: number; max: number }): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new UsageError(`--${name} is a whole number from ${min} to ${max}, and not ${JSON.stringify(text)}`)
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function readId(name: OptionName, text: string): string {
  const id = text.toLowerCase()
  if (UUID.test(id)) return id
  throw new UsageError(`--${name} is an id, and not ${JSON.stringify(text)}`)
}
