import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ToolError } from '../finding.ts'

/** Lines of the test run that are shown when it fails. */
const TAIL = 60

export interface RecordOptions {
  root: string
  say: (line: string) => void
  signal: AbortSignal
}

/**
 * Runs the API tests; their global setup records the answers and keeps them when all have passed. Throws ToolError with
 * the end of their output when they have not.
 */
export async function recordAnswers({ root, say, signal }: RecordOptions): Promise<void> {
  const total = readdirSync(join(root, 'test/api')).filter((name) => name.endsWith('.test.ts')).length
  const tail: string[] = []
  let done = 0
  const show = showProgress(total, say)
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'test/api', '--reporter=default'], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stop = () => child.kill('SIGINT')
  signal.addEventListener('abort', stop)
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      tail.push(line)
      if (tail.length > TAIL) tail.shift()
      if (!/^ [^ ]+ test\/api\/\S+\.test\.ts /.test(line)) return
      done += 1
      show.update(done)
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  signal.removeEventListener('abort', stop)
  show.end()
  signal.throwIfAborted()
  if (code !== 0)
    throw new ToolError(`the API tests have failed, so there is nothing to compare:\n\n${tail.join('\n')}`)
}

/** One line that changes on a terminal; elsewhere a line now and then. */
function showProgress(total: number, say: (line: string) => void): { update: (done: number) => void; end: () => void } {
  const isTerminal = process.stderr.isTTY === true
  const text = (done: number) => `contracts:diff: recording the real server's answers, ${done} of ${total} test files`
  const draw = (done: number) => process.stderr.write(`\r\x1b[K${text(done)} …`)
  if (isTerminal) draw(0)
  else say(`${text(0)} …`)
  return {
    update(done) {
      if (isTerminal) draw(done)
      else if (done % 5 === 0) say(text(done))
    },
    end() {
      if (isTerminal) process.stderr.write('\r\x1b[K')
    },
  }
}
