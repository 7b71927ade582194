import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type CheckOptions, runChecks } from '../../scripts/contracts/check.ts'
import type { Finding } from '../../scripts/contracts/finding.ts'
import type { CheckReport } from '../../scripts/contracts/gate.ts'

const repository = join(import.meta.dirname, '../..')
export const V1 = 'api-contracts/openapi/v1'

export interface Workspace {
  root: string
  read(file: string): string
  write(file: string, text: string): void
  /** Replaces the first occurrence and returns the line (from 1) on which the new text starts. Throws where there is none. */
  edit(file: string, from: string, to: string): number
  check(options?: Partial<CheckOptions>): Promise<CheckReport>
  /** Of one gate, errors alone. */
  errors(gate: string): Promise<Finding[]>
}

/** A folder that is removed after the test. */
export function emptyWorkspace(files: Record<string, string> = {}): Workspace {
  const root = mkdtempSync(join(tmpdir(), 'skeldir check '))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const workspace: Workspace = {
    root,
    read: (file) => readFileSync(join(root, file), 'utf8'),
    write(file, text) {
      mkdirSync(dirname(join(root, file)), { recursive: true })
      writeFileSync(join(root, file), text)
    },
    edit(file, from, to) {
      const text = workspace.read(file)
      const offset = text.indexOf(from)
      if (offset === -1) throw new Error(`${file} does not contain ${from}`)
      workspace.write(file, text.slice(0, offset) + to + text.slice(offset + from.length))
      return text.slice(0, offset).split('\n').length
    },
    check: (options = {}) => runChecks({ root, cache: false, today: '2026-11-21', ...options }),
    async errors(gate) {
      const { gates } = await workspace.check({ gates: [gate] })
      return gates.flatMap(({ findings }) => findings.filter(({ severity }) => severity === 'error'))
    },
  }
  for (const [file, text] of Object.entries(files)) workspace.write(file, text)
  return workspace
}

/** A copy of the contract, with the code where a gate looks at it. */
export function contractWorkspace(...folders: ('src' | 'generated' | 'mocks')[]): Workspace {
  const workspace = emptyWorkspace()
  for (const name of ['api-contracts', ...folders]) {
    // git keeps no empty folder: a clone may lack one that this checkout has.
    if (!existsSync(join(repository, name))) mkdirSync(join(workspace.root, name), { recursive: true })
    else cpSync(join(repository, name), join(workspace.root, name), { recursive: true })
  }
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json']) {
    cpSync(join(repository, name), join(workspace.root, name))
  }
  symlinkSync(join(repository, 'node_modules'), join(workspace.root, 'node_modules'), 'dir')
  return workspace
}

/** A small OpenAPI document that is nobody's. */
export function documentOf({
  version = '3.1.0',
  id = 'getThing',
  path = '/things/{id}',
  schema = '{ type: object, properties: { name: { type: string } } }',
  components = '',
} = {}): string {
  return `openapi: ${version}
info: { title: Things, version: 1.0.0 }
servers: [{ url: / }]
paths:
  ${path}:
    get:
      operationId: ${id}
      summary: One thing
      security: []
      parameters:
        - { name: id, in: path, required: true, schema: { type: string } }
      responses:
        '200':
          description: It.
          content:
            application/json:
              schema: ${schema}
        '404': { description: None. }
${components}`
}
