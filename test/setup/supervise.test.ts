import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Exit, keepRunning, type Running, startChild } from '../../src/cli/supervise.ts'
import { identify, isAlive } from '../../src/os-process.ts'
import { makeFolder, until } from './folder.ts'

describe('keepRunning', () => {
  test('starts again after 3 s, doubling up to 60 s, and says why each time', async () => {
    const world = makeWorld()
    const kept = await keepRunning(world.options)
    for (let round = 1; round <= 7; round++) await world.end({ code: null, signal: 'SIGKILL' })
    expect(world.slept).toEqual([3_000, 6_000, 12_000, 24_000, 48_000, 60_000, 60_000])
    expect(world.lines.slice(0, 3)).toEqual([
      'worker was ended by SIGKILL; it is started again in 3 s',
      'worker is back (process 2)',
      'worker was ended by SIGKILL; it is started again in 6 s',
    ])
    expect(world.changes).toEqual([1, null, 2, null, 3, null, 4, null, 5, null, 6, null, 7, null, 8])
    await kept.stop()
  })

  test('begins at 3 s again after 60 s of good running, not before', async () => {
    const world = makeWorld()
    const kept = await keepRunning(world.options)
    await world.end({ code: 1, signal: null })
    world.passMs(59_999)
    await world.end({ code: 1, signal: null })
    world.passMs(60_000)
    await world.end({ code: 1, signal: null })
    expect(world.slept).toEqual([3_000, 6_000, 3_000])
    expect(world.lines[0]).toBe('worker ended with status 1; it is started again in 3 s')
    await kept.stop()
  })

  test('a start that fails counts as an end', async () => {
    const world = makeWorld()
    const kept = await keepRunning(world.options)
    world.failNext('Port 5432 is taken', 2)
    await world.end({ code: 1, signal: null })
    expect(world.slept).toEqual([3_000, 6_000, 12_000])
    expect(world.lines[1]).toBe('worker did not start (Port 5432 is taken); it is started again in 6 s')
    await kept.stop()
  })

  test('rejects when the very first start fails', async () => {
    const world = makeWorld()
    world.failNext('no such file', 1)
    await expect(keepRunning(world.options)).rejects.toThrow('no such file')
  })

  test('stop ends it and it stays down', async () => {
    const world = makeWorld()
    const kept = await keepRunning(world.options)
    await kept.stop()
    expect(world.starts()).toBe(1)
    expect(world.lines).toEqual([])
  })

  test('stop during the delay does not wait for it', async () => {
    const world = makeWorld()
    const kept = await keepRunning({
      ...world.options,
      sleep: undefined,
      delays: { first: 3_600_000, last: 3_600_000, resetAfter: 1 },
    } as never)
    world.current().end({ code: 1, signal: null })
    await until('the line', () => world.lines.length)
    await kept.stop()
    expect(world.starts()).toBe(1)
  })

  test('stop during a start ends what has just been started', async () => {
    const world = makeWorld()
    let proceed = () => {}
    const kept = await keepRunning(world.options)
    world.holdNext(new Promise<void>((done) => (proceed = done)))
    world.current().end({ code: 1, signal: null })
    await until('the second start', () => world.starts() === 2)
    const stopped = kept.stop()
    proceed()
    await stopped
    expect(await world.current().exited).toEqual({ code: 0, signal: null })
  })
})

describe('startChild', () => {
  const quiet = { cwd: '/', env: process.env, onLine: () => {} }

  test('passes on lines of stdout and stderr, and says how it ended', async () => {
    const lines: string[] = []
    const child = await startChild({
      ...quiet,
      ...node("console.log('one'); console.error('two'); process.exitCode = 5"),
      onLine: (line) => lines.push(line),
    })
    expect(await child.exited).toEqual({ code: 5, signal: null })
    expect(lines.sort()).toEqual(['one', 'two'])
  })

  test('rejects when the program is not there', async () => {
    await expect(startChild({ ...quiet, command: '/nowhere/node', args: [] })).rejects.toThrow('ENOENT')
  })

  test('stop asks with SIGTERM first', async () => {
    const child = await ready("process.on('SIGTERM', () => process.exit(7))")
    await child.stop()
    expect(await child.exited).toEqual({ code: 7, signal: null })
  })

  test('stop kills what does not end in time', async () => {
    const child = await ready("process.on('SIGTERM', () => {})", 50)
    await child.stop()
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' })
  })

  test('a hurry kills at once', async () => {
    const child = await ready("process.on('SIGTERM', () => console.log('not yet'))", 3_600_000)
    const hurry = new AbortController()
    const stopped = child.stop(hurry.signal)
    await until('SIGTERM has come', () => child.lines.includes('not yet'))
    hurry.abort()
    await stopped
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' })
  })

  test('a supervised child ends by itself when the supervisor is killed', async () => {
    const folder = makeFolder()
    const supervised = JSON.stringify(new URL('../../src/cli/supervised.ts', import.meta.url).href)
    writeFileSync(
      join(folder, 'child.mjs'),
      `import(${supervised}).then((module) => module.exitWithParent()); setInterval(() => {}, 1000)`,
    )
    const supervise = JSON.stringify(new URL('../../src/cli/supervise.ts', import.meta.url).href)
    const parent = await startChild({
      ...quiet,
      ...node(`import(${supervise}).then(async ({ startChild }) => {
        const env = { ...process.env, SKELDIR_SUPERVISED: '1' }
        const child = await startChild({ command: process.execPath, args: [${JSON.stringify(join(folder, 'child.mjs'))}], cwd: '/', env, onLine: () => {} })
        console.log(child.pid)
      })`),
      onLine: (line) => lines.push(line),
    })
    const lines: string[] = []
    const child = identify(Number(await until('the pid of the child', () => lines[0])))
    expect(isAlive(child)).toBe(true)
    process.kill(parent.pid, 'SIGKILL')
    await until('the child has ended', () => !isAlive(child))
  })

  function node(script: string) {
    return { command: process.execPath, args: ['-e', script] }
  }

  async function ready(script: string, graceMs = 10_000): Promise<Running & { lines: string[] }> {
    const lines: string[] = []
    const child = await startChild({
      ...quiet,
      ...node(`${script}; setInterval(() => {}, 1000); console.log('ready')`),
      graceMs,
      onLine: (line) => lines.push(line),
    })
    await until('it is ready', () => lines.includes('ready'))
    return { ...child, lines }
  }
})

interface FakeProcess extends Running {
  end(exit: Exit): void
}

/** Processes and time that only move when the test says so. */
function makeWorld() {
  let now = 0
  let failures: string[] = []
  let gate: Promise<void> = Promise.resolve()
  const processes: FakeProcess[] = []
  const lines: string[] = []
  const slept: number[] = []
  const changes: (number | null)[] = []
  let attempts = 0

  const start = async (): Promise<Running> => {
    attempts++
    const failure = failures.shift()
    if (failure !== undefined) throw new Error(failure)
    await gate
    let end: (exit: Exit) => void = () => {}
    const exited = new Promise<Exit>((done) => (end = done))
    const running = { pid: processes.length + 1, exited, end, stop: async () => end({ code: 0, signal: null }) }
    processes.push(running)
    return running
  }
  const current = () => processes.at(-1) as FakeProcess
  return {
    lines,
    slept,
    changes,
    current,
    starts: () => attempts,
    passMs: (ms: number) => {
      now += ms
    },
    failNext: (message: string, times: number) => {
      failures = Array(times).fill(message)
    },
    holdNext: (promise: Promise<void>) => {
      gate = promise
    },
    end: async (exit: Exit) => {
      const before = processes.length
      current().end(exit)
      await until('it is back', () => processes.length > before && changes.at(-1) === processes.length)
    },
    options: {
      name: 'worker',
      start,
      say: (line: string) => lines.push(line),
      onChange: (running: Running | null) => changes.push(running?.pid ?? null),
      now: () => now,
      sleep: async (ms: number) => void slept.push(ms),
    },
  }
}
