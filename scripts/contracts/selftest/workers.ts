import { type ChildProcess, fork } from 'node:child_process'
import type { CheckReport } from '../gate.ts'
import type { Fault, Verdict } from './operator.ts'

/** A check takes seconds; one that does not end is a fault of the gate. */
const TIMEOUT_MS = 120_000

/** What a worker is told. */
export type Task =
  | { kind: 'check'; root: string; gates: readonly string[] | null }
  /** `pristine` is copied to below `folder`, and the fault planted there. */
  | { kind: 'fault'; fault: Fault; pristine: string; folder: string }

export interface Answers {
  check: CheckReport
  fault: Verdict
}

export interface Pool {
  /** The answers in the order of the tasks; an error where the process crashed or hung. */
  run<Kind extends Task['kind']>(
    tasks: readonly Extract<Task, { kind: Kind }>[],
    onAnswer?: (answer: Answers[Kind] | Error, index: number) => void,
  ): Promise<(Answers[Kind] | Error)[]>
  end(): void
}

/** Processes that check copies; what is equal between copies stays parsed in them. One that crashes is replaced. */
export function createPool(size: number): Pool {
  const idle: ChildProcess[] = []
  const start = () => fork(new URL('./worker.ts', import.meta.url), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  return {
    async run<Kind extends Task['kind']>(
      tasks: readonly Extract<Task, { kind: Kind }>[],
      onAnswer: (answer: Answers[Kind] | Error, index: number) => void = () => {},
    ) {
      const answers: (Answers[Kind] | Error)[] = []
      const pending = tasks.entries()
      const work = async () => {
        for (const [index, task] of pending) {
          const worker = idle.pop() ?? start()
          const answer = (await ask(worker, task)) as Answers[Kind] | Error
          if (!(answer instanceof Error)) idle.push(worker)
          answers[index] = answer
          onAnswer(answer, index)
        }
      }
      await Promise.all(Array.from({ length: Math.min(size, tasks.length) }, work))
      return answers
    },
    end() {
      for (const worker of idle.splice(0)) worker.disconnect()
    },
  }
}

function ask(worker: ChildProcess, task: Task): Promise<unknown> {
  return new Promise((resolve) => {
    let isLate = false
    const done = (answer: unknown) => {
      clearTimeout(timer)
      worker.off('message', done)
      worker.off('exit', onExit)
      resolve(answer)
    }
    const onExit = (code: number | null, signal: string | null) => {
      const ending = signal === null ? `with exit code ${code}` : `by ${signal}`
      done(new Error(isLate ? `it did not end within ${TIMEOUT_MS / 1_000} s` : `its process ended ${ending}`))
    }
    const timer = setTimeout(() => {
      isLate = true
      worker.kill('SIGKILL')
    }, TIMEOUT_MS)
    worker.once('message', done)
    worker.once('exit', onExit)
    worker.send(task)
  })
}
