import { spawn } from 'node:child_process'
import { Console } from 'node:console'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { runCommand } from '../../src/cli/main.ts'
import { childEnvironment } from './child-environment.ts'

const repositoryRoot = fileURLToPath(new URL('../../', import.meta.url))

export interface Told {
  status: number
  stdout: string
  stderr: string
}

/** Runs `skeldir <args>` with this environment, and what else a process needs. */
export type RunSkeldir = (args: readonly string[], env: NodeJS.ProcessEnv) => Promise<Told>

/** As an operator runs it: a process of its own, a third of a second each. */
export const spawnSkeldir: RunSkeldir = async (args, env) => {
  const child = spawn(process.execPath, ['src/cli/main.ts', ...args], {
    cwd: repositoryRoot,
    env: { ...childEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status, stdout, stderr }
}

let isRunning = false

/**
 * The same in this process, for what is not about the process: its environment, its output and its exit status are those
 * of the command for as long as it runs. Not for files that share their process with others, and one command at a time.
 */
export const runSkeldir: RunSkeldir = async (args, env) => {
  if (isRunning) throw new Error('another command runs in this process')
  isRunning = true
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-told-'))
  // Files, because the log writes to the descriptor past the stream.
  const [stdout, stderr] = [toFile(join(folder, 'stdout')), toFile(join(folder, 'stderr'))]
  const restore = [
    replace(process, 'env', { ...childEnvironment(), ...env }),
    replace(process, 'stdout', stdout),
    replace(process, 'stderr', stderr),
    replace(globalThis, 'console', new Console({ stdout, stderr })),
  ]
  const { exitCode } = process
  process.exitCode = undefined
  try {
    await runCommand([...args])
    return { status: Number(process.exitCode ?? 0), stdout: stdout.read(), stderr: stderr.read() }
  } finally {
    process.exitCode = exitCode
    for (const putBack of restore) putBack()
    for (const { close } of [stdout, stderr]) close()
    rmSync(folder, { recursive: true })
    isRunning = false
  }
}

function toFile(path: string) {
  const fd = openSync(path, 'w')
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      writeSync(fd, chunk)
      done()
    },
  })
  return Object.assign(stream, { fd, read: () => readFileSync(path, 'utf8'), close: () => closeSync(fd) })
}

/** Returns what puts the old one back. */
function replace<Owner extends object>(owner: Owner, name: keyof Owner, value: unknown): () => void {
  const old = Object.getOwnPropertyDescriptor(owner, name) as PropertyDescriptor
  Object.defineProperty(owner, name, { value, writable: true, configurable: true, enumerable: true })
  return () => void Object.defineProperty(owner, name, old)
}
