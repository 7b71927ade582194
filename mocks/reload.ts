import { spawn } from 'node:child_process'
import { type FSWatcher, watch } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MockContract } from './contract.ts'

export interface WatchOptions {
  /** Of the repository: its `api-contracts/openapi` is watched. */
  root: string
  say: (line: string) => void
  /** Gets the folder with everything that is generated from the contract as it is now. Its rejection is reported. */
  onBuilt: (folder: string) => Promise<void>
}

/** Milliseconds of quiet before the pipeline runs: an editor writes a file in several steps, a checkout many files. */
const QUIET_MS = 150

/**
 * Runs the contract pipeline after each change, in a process of its own: it needs 300 MB and holds up nothing there. A
 * contract with faults is reported, as `file:line:column message`, and nothing else happens.
 */
export function watchContract({ root, say, onBuilt }: WatchOptions): { stop(): Promise<void> } {
  const output = join(root, '.skeldir/mocks', `contract-${process.pid}`)
  let timer: NodeJS.Timeout | undefined
  let isRunning = false
  let isStale = false
  let isStopped = false
  let child: ReturnType<typeof spawn> | undefined

  async function run(): Promise<void> {
    if (isRunning) {
      isStale = true
      return
    }
    isRunning = true
    do {
      isStale = false
      const findings = await build()
      if (isStopped || isStale) continue
      if (findings === undefined) await onBuilt(output).catch((error: Error) => refuse([error.message]))
      else refuse(findings)
    } while (isStale && !isStopped)
    isRunning = false
  }

  function refuse(findings: readonly string[]): void {
    say('contract: has faults, so the last good one keeps serving')
    for (const finding of findings) say(`  ${finding}`)
  }

  /** Undefined: nothing is wrong. */
  function build(): Promise<string[] | undefined> {
    return new Promise((resolve) => {
      const script = fileURLToPath(new URL('./build-child.ts', import.meta.url))
      child = spawn(process.execPath, [script, root, output], { stdio: ['ignore', 'ignore', 'pipe'] })
      let errors = ''
      child.stderr?.on('data', (chunk: Buffer) => {
        errors += chunk
      })
      child.once('error', (error) => resolve([error.message]))
      child.once('close', (code) => resolve(code === 0 ? undefined : errors.trim().split('\n').slice(0, 20)))
    })
  }

  function start(): FSWatcher | undefined {
    const lose = (error: Error) => say(`contract: its changes are not followed: ${error.message}`)
    try {
      const folder = join(root, 'api-contracts/openapi')
      return watch(folder, { recursive: true }, () => {
        clearTimeout(timer)
        timer = setTimeout(() => void run(), QUIET_MS)
      }).on('error', lose)
    } catch (error) {
      // No such folder, or no watches left: the mocks serve what they have.
      lose(error as Error)
      return undefined
    }
  }

  const watcher = start()
  return {
    async stop() {
      isStopped = true
      clearTimeout(timer)
      watcher?.close()
      child?.kill()
      await rm(output, { recursive: true, force: true })
    },
  }
}

/** What people should know of the way from one state to the next. */
export function describeChange(before: MockContract, after: MockContract): string[] {
  const lines: string[] = []
  const ids = (contract: MockContract) => new Set(Object.keys(contract.source.operations))
  const [added, removed] = [minus(ids(after), ids(before)), minus(ids(before), ids(after))]
  if (added.length > 0) lines.push(`added ${added.join(', ')}`)
  if (removed.length > 0) lines.push(`removed ${removed.join(', ')}`)
  const domains = minus(new Set(after.bundles.keys()), new Set(before.bundles.keys()))
  for (const domain of domains)
    lines.push(`${domain} is new: the gateway serves it; give it a port in mocks/registry.json and start again`)
  for (const domain of minus(new Set(before.bundles.keys()), new Set(after.bundles.keys())))
    lines.push(`${domain} is gone: its port answers 404 until it leaves mocks/registry.json and the mocks start again`)
  if (before.problems !== after.problems)
    lines.push('the table of problems has changed: the mocks know the new codes after a start')
  return lines
}

function minus(from: ReadonlySet<string>, what: ReadonlySet<string>): string[] {
  return [...from].filter((name) => !what.has(name))
}
