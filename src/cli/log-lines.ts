import { stripVTControlCharacters, styleText } from 'node:util'

/** Wide enough for `skeldir`. */
const PREFIX_WIDTH = 7
const MAX_EXTRA_CHARS = 300
const LEVELS: Record<number, string> = { 10: 'TRACE', 20: 'DEBUG', 30: 'INFO', 40: 'WARN', 50: 'ERROR', 60: 'FATAL' }
/** What pino adds to each line and nobody reads in a terminal. */
const NOISE = new Set(['level', 'time', 'msg', 'pid', 'hostname', 'name', 'v', 'err'])

/**
 * One line of a child as the supervisor prints it: short in a terminal; elsewhere the JSON as it came, so that a log
 * collector can read it, and only what is not JSON gets the child's name.
 */
export function formatLogLine(name: string, line: string, isTerminal: boolean): string {
  const entry = parse(line)
  if (!isTerminal) return entry === null ? `${prefix(name)}${line}` : line
  const text = entry === null ? line : summarize(entry)
  return `${styleText('dim', prefix(name))}${text}`
}

/** A line of the supervisor itself. */
export function formatOwnLine(line: string): string {
  return `${prefix('skeldir')}${line}`
}

function prefix(name: string): string {
  return `${name.padEnd(PREFIX_WIDTH)} │ `
}

function parse(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return null
  }
}

function summarize(entry: Record<string, unknown>): string {
  const level = LEVELS[Number(entry.level)] ?? String(entry.level ?? '').toUpperCase()
  const colour = level === 'WARN' ? 'yellow' : level === 'ERROR' || level === 'FATAL' ? 'red' : 'reset'
  const at = new Date(entry.time as string | number)
  const clock = Number.isNaN(at.getTime()) ? '' : `${at.toTimeString().slice(0, 8)} `
  const error = entry.err as { message?: string } | undefined
  const extras = Object.entries(entry)
    .filter(([key]) => !NOISE.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const extra = [error?.message, ...extras].filter(Boolean).join(' ').slice(0, MAX_EXTRA_CHARS)
  // What callers sent may be in here; it must not steer the terminal.
  const text = stripVTControlCharacters(`${entry.msg ?? ''}${extra === '' ? '' : `  ${extra}`}`)
  return `${clock}${styleText(colour, level.padEnd(5))} ${text}`
}
