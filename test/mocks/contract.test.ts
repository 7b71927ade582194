import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startTestMocks } from '../support/mocks.ts'

const GENERATED = join(import.meta.dirname, '../../generated')

/** A copy of what is generated, in which one document is edited behind the back of the checks. */
function brokenContract(domain: string, edit: (text: string) => string): string {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir mocks '))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['bundles', 'openapi.json', 'operations.ts', 'problems.ts', 'validators.js'])
    cpSync(join(GENERATED, name), join(folder, name), { recursive: true })
  const file = join(folder, 'bundles', `${domain}.json`)
  const text = readFileSync(file, 'utf8')
  const edited = edit(text)
  if (edited === text) throw new Error(`${domain} was not changed`)
  writeFileSync(file, edited)
  return folder
}

test('an example that violates its schema is a 500 that names the place, and never sent', async () => {
  const contracts = brokenContract('health', (text) => text.replaceAll('"status": "alive"', '"status": "half dead"'))
  const { ask, lines } = await startTestMocks(onTestFinished, { contracts })
  const { status, body, headers } = await ask('/health/live')
  expect([status, body.code, headers.get('content-type')]).toEqual([500, 'internal_error', 'application/problem+json'])
  expect(body.detail).toContain("The mock's answer for getLiveness 200 violates the contract. /body/status:")
  expect(body.errors).toMatchObject([{ pointer: '/body/status', code: 'const' }])
  expect(lines).toEqual([expect.stringContaining('violation: ')])
})

test('so is a header', async () => {
  const contracts = brokenContract('revenue', (text) => text.replaceAll('"@1795219200"', '"true"'))
  const { ask } = await startTestMocks(onTestFinished, { contracts })
  const { status, body } = await ask('/api/attribution/revenue/realtime')
  expect([status, body.errors[0].pointer]).toEqual([500, '/header/deprecation'])
})

test('a text that violates its schema is found as well', async () => {
  const contracts = brokenContract('health', (text) =>
    text.replace(/("maxLength": )1048576(,\s*"description": "One metric per line)/, '$13$2'),
  )
  const { ask } = await startTestMocks(onTestFinished, { contracts })
  const { status, body } = await ask('/metrics')
  expect([status, body.errors]).toMatchObject([500, [{ pointer: '/body', code: 'maxLength' }]])
})

test('a schema that Prism cannot compile stops the start, and the operation is named', async () => {
  const contracts = brokenContract('health', (text) => text.replaceAll('"const": "alive"', '"pattern": "("'))
  await expect(startTestMocks(onTestFinished, { contracts })).rejects.toThrow(
    /Prism cannot compile these schemas:\n {2}getLiveness, 200 application\/json: .*Invalid regular expression/,
  )
})

test('a document without a port stops the start', async () => {
  const contracts = brokenContract('health', (text) => `${text} `)
  cpSync(join(contracts, 'bundles/health.json'), join(contracts, 'bundles/wealth.json'))
  await expect(startTestMocks(onTestFinished, { contracts })).rejects.toThrow('the registry has no port for wealth')
})
