import { afterEach, expect, test, vi } from 'vitest'
import { main } from '../../scripts/isolation.ts'

function capture() {
  const out: string[] = []
  const err: string[] = []
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0)
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0)
  return { out, err }
}

afterEach(() => {
  vi.restoreAllMocks()
})

test('--help prints what there is, and starts nothing', async () => {
  const { out, err } = capture()
  expect(await main(['--help'])).toBe(0)
  expect(out.join('')).toContain('--table NAME')
  expect(err).toEqual([])
})

test.each([
  [['--format', 'xml'], 'there is no format xml'],
  [['--seed', 'one'], 'one is no seed'],
  [['--seed', '-1'], 'seed'],
  [['--all'], '--all'],
])('%j is refused with 2 and a sentence', async (argv, sentence) => {
  const { out, err } = capture()
  expect(await main(argv)).toBe(2)
  expect(out).toEqual([])
  expect(err.join('')).toContain(sentence)
})
