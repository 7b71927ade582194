import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckContext } from '../context.ts'
import type { Fault, Position } from '../finding.ts'
import type { Gate } from '../gate.ts'
import { operationRules } from '../profile/operations.ts'
import { schemaRules } from '../profile/schemas.ts'
import { statusRules } from '../profile/statuses.ts'
import { listedDocuments } from '../redocly.ts'
import { generateFaults } from './bundle.ts'

/** What must exist, whoever builds the behaviour behind it. */
const REQUIRED = [
  'attribution',
  'auth',
  'errors',
  'events',
  'export',
  'health',
  'jobs',
  'llm-budget',
  'llm-explanations',
  'llm-investigations',
  'platforms',
  'reconciliation',
  'revenue',
  'tenants',
  'webhooks/base',
  'webhooks/paypal',
  'webhooks/shopify',
  'webhooks/stripe',
  'webhooks/woocommerce',
]

export const lintGate: Gate = {
  name: 'lint',
  description: 'the documents follow the rules of redocly.yaml and of the profile',
  profiles: ['skeldir', 'none'],
  needs: ['document', 'bundle'],
  usesToday: true,
  inputs: (ctx) => [ctx.files.name(join(ctx.home, 'redocly.yaml')), ctx.files.name(join(ctx.home, 'baselines'))],
  rules: [
    {
      id: 'lint/redocly',
      gate: 'lint',
      description:
        'The rules of Redocly that `api-contracts/redocly.yaml` switches on; for documents of others its minimal set, as warnings where it says so.',
      check: async (ctx) => {
        const problems = await ctx.redocly()
        return problems
          .filter(({ ruleId }) => ruleId !== 'struct')
          .map(({ ruleId, message, severity, ...at }) => ({
            message,
            severity,
            at,
            rule: `lint/${ruleId.replace(/^rule\//, '')}`,
          }))
      },
    },
    {
      id: 'lint/listed',
      gate: 'lint',
      description: 'Every document is listed under `apis` in `api-contracts/redocly.yaml`.',
      profiles: ['skeldir'],
      check: unlistedDocuments,
    },
    {
      id: 'lint/documents',
      gate: 'lint',
      description: 'The document of every domain and vendor exists.',
      profiles: ['skeldir'],
      check: (ctx) => (ctx.isOwn ? missingDocuments(ctx) : []),
    },
    ...operationRules,
    ...statusRules,
    ...schemaRules,
    {
      id: 'lint/generator',
      gate: 'lint',
      description:
        'The generators can read every operation: parameters, statuses, headers and bodies in the forms that they know.',
      profiles: ['skeldir'],
      isFallback: true,
      check: async (ctx) => {
        const faults = await generateFaults(async () => {
          const contract = await ctx.contract()
          const { requireClosedBodies } = await import('../../generate/closed.ts')
          const { emitOperations } = await import('../../generate/operations.ts')
          emitOperations(contract)
          requireClosedBodies(contract)
        })
        return faults
      },
    },
  ],
}

function unlistedDocuments(ctx: CheckContext): Fault[] {
  const listed = listedDocuments(ctx)
  if (listed === null) return []
  return ctx
    .source()
    .documents.filter(({ file }) => !listed.has(file))
    .map(({ file, name }) => ({
      message: `${name}.yaml is not listed under \`apis\` in redocly.yaml, so \`redocly lint\` would pass it over`,
      at: { file, pointer: '#/openapi' },
    }))
}

function missingDocuments(ctx: CheckContext): Fault[] {
  const at: Position = { file: ctx.files.name(ctx.folder), line: 1, column: 1 }
  return REQUIRED.filter((name) => !existsSync(join(ctx.folder, `${name}.yaml`))).map((name) => ({
    message: `the document ${name}.yaml is missing`,
    at,
  }))
}
