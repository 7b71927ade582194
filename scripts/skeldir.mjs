#!/usr/bin/env node
// The `skeldir` command: brings packages and Node 24 if they are not there, then runs src/cli/main.ts with them.
//   npx skeldir <command> …        works from any folder, on Node 20 as well

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bootstrap, reportFailure } from './bootstrap.mjs'

/** How often it is looked whether npm still lives, where npm started us. */
const PARENT_POLL_MS = 1_000

const root = dirname(dirname(fileURLToPath(import.meta.url)))

try {
  const { nodePath } = await bootstrap(root, { dev: false })
  run(nodePath)
} catch (error) {
  process.exitCode = reportFailure(error)
}

function run(nodePath) {
  const bin = join(root, 'node_modules', '.bin')
  const home = process.env.SKELDIR_HOME ? resolve(process.env.SKELDIR_HOME) : join(root, '.skeldir')
  const env = {
    ...process.env,
    PATH: [bin, ...(process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== bin)].join(delimiter),
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(home, 'cache', 'node'),
  }
  env.SKELDIR_LAUNCHER = String(process.pid)
  // The channel carries no message: its closing tells the command that this process is gone, even after kill -9.
  const stdio = ['inherit', 'inherit', 'inherit', 'ipc']
  const child = spawn(nodePath, [join(root, 'src', 'cli', 'main.ts'), ...process.argv.slice(2)], { env, stdio })
  child.channel?.unref()
  child.on('error', (error) => {
    process.stderr.write(`Node could not be started (${nodePath}): ${error.message}\n`)
    process.exitCode = 1
  })

  let isTold = false
  const tell = (signal) => {
    isTold = true
    child.kill(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, tell)

  // `npm start` killed with kill -9 cannot pass the signal on; a changed parent shows it. Without npm in between a
  // changed parent is normal (the shell that started us in the background has ended).
  const lineage = findLineage()
  const watch = process.env.npm_lifecycle_event
    ? setInterval(() => !isTold && findLineage() !== lineage && tell('SIGTERM'), PARENT_POLL_MS)
    : undefined

  child.on('exit', (code, signal) => {
    clearInterval(watch)
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0)
  })
}

/** Our parent and its parent: npm runs a script through a shell, and not every shell makes way for it. */
function findLineage() {
  try {
    const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8')
    // proc(5), stat: field 4 is the parent; field 2, in parentheses, may contain spaces.
    return `${process.ppid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]}`
  } catch {
    return `${process.ppid}`
  }
}
