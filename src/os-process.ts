import { readFileSync } from 'node:fs'

/** A process that can be told from a later one with the same pid. */
export interface ProcessIdentity {
  pid: number
  /** Clock ticks between boot and the start of the process; null where there is no /proc. */
  startTicks: string | null
}

export function identify(pid: number): ProcessIdentity {
  return { pid, startTicks: readStat(pid)?.startTicks ?? null }
}

/**
 * Whether that very process still runs. A zombie does not: `kill(pid, 0)` calls it alive for as long as its parent has
 * not collected it, which an init process of a container may never do.
 */
export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it is there and belongs to someone else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  const stat = readStat(pid)
  if (stat === null) return process.platform !== 'linux'
  if (stat.state === 'Z' || stat.state === 'X') return false
  return startTicks === null || stat.startTicks === startTicks
}

/** Waits until the process is gone; false when it still runs after `timeoutMs`. For processes that are not our children. */
export async function waitForEnd(process: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (isAlive(process)) {
    if (performance.now() > deadline) return false
    await new Promise((wake) => setTimeout(wake, 20))
  }
  return true
}

/** Sends a signal; a process that is gone already is not an error. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** proc(5), stat: field 3 is the state, field 22 the start time. Field 2, the command, may contain spaces and parentheses. */
function readStat(pid: number): { state: string; startTicks: string } | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0] ?? '', startTicks: fields[19] ?? '' }
}
