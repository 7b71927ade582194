import { expect, test } from 'vitest'
import { createLog } from './log.ts'

type Log = ReturnType<typeof createLog>

// biome-ignore lint/suspicious/noExplicitAny: JSON that was just written
function givenLog(): { log: Log; lines: () => any[] } {
  let text = ''
  const write = (line: string) => {
    text += line
  }
  const log = createLog({ name: 'test', level: 'trace' }, { write })
  return {
    log,
    lines: () =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
  }
}

test('fields of the list are written, others are named and left out', () => {
  const { log, lines } = givenLog()
  log.info({ tenantId: 't', body: { email: 'a@example.test' }, headers: ['x'] }, 'a line')
  expect(lines()).toEqual([expect.objectContaining({ level: 30, msg: 'a line', tenantId: 't', name: 'test' })])
  expect(lines()[0].dropped).toEqual(['body', 'headers'])
  expect(JSON.stringify(lines())).not.toContain('example')
})

test('a child has its fields in every line, and only those of the list', () => {
  const { log, lines } = givenLog()
  log.child({ correlationId: 'c', authorization: 'Bearer made-up-token' }).warn({ code: 'x' }, 'a line')
  expect(lines()[0]).toMatchObject({ correlationId: 'c', code: 'x', pid: process.pid })
  expect(JSON.stringify(lines())).not.toContain('made-up')
})

test('an error is its name, message, code, stack and cause, and nothing that hangs on it', () => {
  const { log, lines } = givenLog()
  const cause = Object.assign(new Error('the cause'), {
    code: '23505',
    client: { secretKey: 'k3y' },
    detail: 'Key (x)',
  })
  log.error({ err: new Error('failed', { cause }) }, 'a line')
  const [{ err }] = lines()
  expect(err).toMatchObject({ name: 'Error', message: 'failed', cause: { message: 'the cause', code: '23505' } })
  expect(err.stack).toContain('log.test.ts')
  expect(JSON.stringify(lines())).not.toMatch(/k3y|Key \(x\)/)
})

test('an error that is its own cause ends', () => {
  const { log, lines } = givenLog()
  const error = new Error('round')
  error.cause = error
  log.error({ err: error }, 'a line')
  expect(JSON.stringify(lines()).length).toBeLessThan(20_000)
})

test.each([
  ['an error alone', (log: Log, error: Error) => log.error(error)],
  ['an error without a text', (log: Log, error: Error) => log.error({ err: error })],
  ['an error with nothing for a text', (log: Log, error: Error) => log.error({ err: error }, undefined)],
])('%s has its message for a text, without what must not be in it', (_name, write) => {
  const { log, lines } = givenLog()
  write(log, new Error('mail to jane@shop.example.test'))
  expect(lines()[0]).toMatchObject({ msg: 'mail to [email]', err: { message: 'mail to [email]' } })
  expect(JSON.stringify(lines())).not.toContain('jane')
})

test('what is put into a text is reduced too, whatever it is', () => {
  const { log, lines } = givenLog()
  const person = { name: 'jane@shop.example.test', address: 'Main Street', code: 7 }
  log.warn('%o and %j, %s, %d', person, person, 'joe@shop.example.test', 3)
  log.warn({ code: 'x' }, 'it was %o', new Error('of jane@shop.example.test'))
  expect(lines()[0].msg).toBe('{"name":"[email]","code":7} and {"name":"[email]","code":7}, [email], 3')
  expect(lines()[1].msg).toContain('of [email]')
  expect(JSON.stringify(lines())).not.toMatch(/jane|joe|Main/)
})

const token = `eyJ${'a'.repeat(20)}.${'b'.repeat(20)}.${'c'.repeat(20)}`
test.each([
  ['an address', 'somebody+x@shop.example.test', '[email]'],
  ['a token', token, '[token]'],
  ['a key', `skd_${'A1-_'.repeat(8)}`, '[key]'],
  ['a webhook secret', 'whsec_only_for_tests', '[secret]'],
  ['a header', 'Bearer abcdefghijklmnop', 'Bearer [redacted]'],
  ['a URL', 'postgres://app_user:hunter22@db.test/skeldir', 'postgres://app_user:[redacted]@db.test/skeldir'],
])('%s is taken out of the text, of fields and of errors', (_what, secret, instead) => {
  const { log, lines } = givenLog()
  log.warn({ reason: `it was ${secret} here`, err: new Error(`refused ${secret}`) }, `about ${secret} there`)
  const [line] = lines()
  expect(line.reason).toBe(`it was ${instead} here`)
  expect(line.msg).toBe(`about ${instead} there`)
  expect(line.err.message).toBe(`refused ${instead}`)
  expect(JSON.stringify(line)).not.toContain(secret)
})

test('names of metrics and ids stay as they are', () => {
  const { log, lines } = givenLog()
  log.info({ eventId: '6f1c1d4e-6f5b-4f0e-9a55-1d6c7c2f3a10' }, 'skd_queue_oldest_ready_age_seconds is late')
  expect(lines()[0]).toMatchObject({ eventId: '6f1c1d4e-6f5b-4f0e-9a55-1d6c7c2f3a10' })
})

test('a text is cut, and a list', () => {
  const { log, lines } = givenLog()
  log.info({ reason: 'x'.repeat(1_000_000), errors: Array(1_000).fill({ keyword: 'type', data: 'secret' }) }, 'long')
  expect(JSON.stringify(lines()).length).toBeLessThan(20_000)
  expect(lines()[0].errors).toHaveLength(50)
  expect(lines()[0].errors[0]).toEqual({ keyword: 'type' })
})

test('what is bound to a line later on goes by the list too', () => {
  const { log, lines } = givenLog()
  const child = log.child({ correlationId: '6f1c1d4e-6f5b-4f0e-9a55-1d6c7c2f3a10' })
  child.setBindings({ businessId: 'whsec_only_for_tests', body: 'Mira' })
  child.info('a line')
  expect(lines()[0]).toMatchObject({ businessId: '[secret]', dropped: ['body'] })
  expect(JSON.stringify(lines())).not.toContain('Mira')
  log.info('another')
  expect(lines()[1]).not.toHaveProperty('businessId')
})
