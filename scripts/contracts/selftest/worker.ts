// Checks the copies that its parent names, one after the other.
import { runChecks } from '../run.ts'
import { judgeFault, LEFT_OUT, TODAY } from './judge.ts'
import type { Task } from './workers.ts'

async function answer(task: Task): Promise<object> {
  if (task.kind === 'fault') return judgeFault(task.fault, task.pristine, task.folder)
  const { root, gates } = task
  return runChecks({ root, leaveOut: LEFT_OUT, today: TODAY, ...(gates === null ? {} : { gates }) })
}

process.on('message', async (task: Task) => {
  try {
    process.send?.(await answer(task))
  } catch (error) {
    process.stderr.write(`contracts:selftest: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  }
})
process.on('disconnect', () => process.exit(0))
