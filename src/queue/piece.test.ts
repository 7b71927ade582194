import { expect, test } from 'vitest'
import { JobTimeout } from './failure.ts'
import type { JobContext, Task } from './job.ts'
import { overWhenGivenUp } from './piece.ts'

const taskOf = (run: () => Promise<void>): Task => ({ name: 'test.work', queue: 'llm', isTogether: false, run })

test('a run that heeds nothing is over when it is given up, with the reason', async () => {
  const limit = new AbortController()
  const hangs = overWhenGivenUp(taskOf(() => new Promise(() => {})))
  const run = hangs.run({} as JobContext, [], limit.signal)
  limit.abort(new JobTimeout('too long'))
  await expect(run).rejects.toThrow('too long')
})

test('one that ends by itself ends as it does', async () => {
  const { signal } = new AbortController()
  await expect(overWhenGivenUp(taskOf(async () => {})).run({} as JobContext, [], signal)).resolves.toBeUndefined()
  const fails = overWhenGivenUp(taskOf(() => Promise.reject(new Error('planted'))))
  await expect(fails.run({} as JobContext, [], signal)).rejects.toThrow('planted')
})
