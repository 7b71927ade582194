import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startTestMocks } from '../support/mocks.ts'
import { until } from '../support/platform.ts'

/** A whole pipeline runs for each change, on a machine that does other things too. */
const RELOAD_MS = 60_000

function copyContract() {
  const root = mkdtempSync(join(tmpdir(), 'skeldir reload '))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const folder = join(root, 'api-contracts/openapi')
  cpSync(join(import.meta.dirname, '../../api-contracts/openapi'), folder, { recursive: true })
  return {
    root,
    folder,
    edit(name: string, from: string | RegExp, to: string) {
      const file = join(folder, 'v1', name)
      const text = readFileSync(file, 'utf8')
      const edited = text.replace(from, to)
      if (edited === text) throw new Error(`${name} does not contain ${from}`)
      writeFileSync(file, edited)
    },
  }
}

test('a change is served on the open connections, and a broken contract never', {
  timeout: 4 * RELOAD_MS,
}, async () => {
  const { root, edit } = copyContract()
  const { ask, gatewayUrl, lines, stop } = await startTestMocks(onTestFinished, { watch: true, root })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  const ports = new Set<number>()
  const untilAnswer = (wanted: string) =>
    until(
      async () => {
        const { port, text } = await callOn(agent, gatewayUrl)
        ports.add(port)
        return text
      },
      (text) => text === wanted,
      RELOAD_MS,
    )
  const untilSaid = (wanted: RegExp) =>
    until(
      async () => lines.join('\n'),
      (text) => wanted.test(text),
      RELOAD_MS,
    )

  await untilAnswer('{"status":"alive"}')
  edit('health.yaml', "'#/components/schemas/Liveness'", "'#/components/schemas/Livelier'")
  await untilSaid(/^contract: has faults.*\n {2}.*health\.yaml:\d+:\d+ /m)
  await untilAnswer('{"status":"alive"}')

  edit('health.yaml', "'#/components/schemas/Livelier'", "'#/components/schemas/Liveness'")
  edit('health.yaml', '{ type: string, const: alive }', '{ type: string, const: well }')
  edit('health.yaml', 'value: { status: alive }', 'value: { status: well }')
  await untilAnswer('{"status":"well"}')
  expect(ports.size).toBe(1)

  edit('health.yaml', '\n  /health/ready:\n', `\n${anotherOperation}  /health/ready:\n`)
  await untilSaid(/^contract: added getPulse$/m)
  await until(
    () => ask('/health/pulse'),
    ({ status }) => status === 200,
    RELOAD_MS,
  )

  await stop()
  expect(existsSync(join(root, '.skeldir/mocks', `contract-${process.pid}`))).toBe(false)
})

const anotherOperation = `  /health/pulse:
    get:
      operationId: getPulse
      tags: [health]
      summary: Is there a pulse?
      security: []
      x-owner: platform
      x-domain: health
      x-stability: draft
      responses:
        '200':
          description: There is.
          headers:
            X-Correlation-ID: { $ref: '_common/headers.yaml#/components/headers/X-Correlation-ID' }
          content:
            application/json:
              schema: { $ref: '#/components/schemas/Liveness' }
              examples:
                pulse:
                  value: { status: well }
        '406': { $ref: '_common/responses.yaml#/components/responses/NotAcceptable' }
`

function callOn(agent: Agent, url: string): Promise<{ port: number; text: string }> {
  return new Promise((resolve, reject) => {
    get(`${url}/health/live`, { agent }, (answer) => {
      const { localPort: port = 0 } = answer.socket
      let text = ''
      answer.on('data', (chunk) => {
        text += chunk
      })
      answer.on('end', () => resolve({ port, text }))
    }).on('error', reject)
  })
}
