// The thread of `watchdog.ts`.
import { writeSync } from 'node:fs'
import { setInterval as every } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import { createLog } from '../log.ts'
import type { Watched } from './watchdog.ts'

const LOOK_MS = 1_000
const STDOUT = 1

const { ticks, limitSeconds, logLevel } = workerData as Watched
const counter = new Int32Array(ticks)
// The output of a thread goes through the event loop that does not turn.
const log = createLog({ name: 'worker', level: logLevel }, { write: (line) => writeSync(STDOUT, line) })
let seen = -1
let looks = 0
for await (const _ of every(LOOK_MS)) {
  const now = Atomics.load(counter, 0)
  looks = now === seen ? looks + 1 : 0
  seen = now
  if (looks * LOOK_MS < limitSeconds * 1_000) continue
  log.fatal({ durationMs: looks * LOOK_MS }, 'a job keeps this worker from everything else: it is ended')
  process.kill(process.pid, 'SIGKILL')
}
