import { join } from 'node:path'
import { isObject } from '../../generate/json.ts'
import type { CheckContext } from '../context.ts'
import { cyclicReferences } from '../cycles.ts'
import { type Fault, SyntaxFault } from '../finding.ts'
import type { Gate } from '../gate.ts'
import { placeOfKey, type SourceDocument } from '../source.ts'

export const documentGate: Gate = {
  name: 'document',
  description: 'every document can be read and is valid OpenAPI',
  profiles: ['skeldir', 'none'],
  needs: [],
  rules: [
    {
      id: 'document/readable',
      gate: 'document',
      description: 'Every file is YAML or JSON of at most 50 MiB, without a key that is written twice.',
      check: (ctx) => [...unreadable(ctx)],
    },
    {
      id: 'document/version',
      gate: 'document',
      description:
        'Documents are OpenAPI 3.1 (others: 3.0 or 3.1) with a semantic `info.version`, the same in all of ours.',
      check: (ctx) => (isReadable(ctx) ? [...wrongVersions(ctx)] : []),
    },
    {
      id: 'document/struct',
      gate: 'document',
      description: 'Every object has the fields that the OpenAPI specification gives it, and no other.',
      check: async (ctx) => {
        // Redocly stumbles over references that the bundle gate reports.
        if (!isReadable(ctx) || ctx.source().refFaults.length > 0 || cyclicReferences(ctx).length > 0) return []
        const problems = await ctx.redocly()
        return problems.filter(({ ruleId }) => ruleId === 'struct').map(({ message, ...at }) => ({ message, at }))
      },
    },
  ],
}

function isReadable(ctx: CheckContext): boolean {
  return unreadable(ctx).length === 0
}

function unreadable(ctx: CheckContext): Fault[] {
  return ctx.once('unreadable', () => {
    const faults: Fault[] = []
    const attempt = (read: () => unknown) => {
      try {
        read()
      } catch (error) {
        if (!(error instanceof SyntaxFault)) throw error
        faults.push({ message: error.message, at: error.position })
      }
    }
    for (const name of ctx.names) {
      const file = join(ctx.folder, name)
      attempt(() => {
        if (isObject(ctx.files.parse(file))) return
        throw new SyntaxFault('the file holds no object', { file: ctx.files.name(file), line: 1, column: 1 })
      })
    }
    if (faults.length === 0) attempt(ctx.source)
    return faults
  })
}

function* wrongVersions(ctx: CheckContext): Generator<Fault> {
  const [first] = ctx.source().documents
  for (const document of ctx.source().documents) {
    const { value } = document
    const version = String(value.openapi ?? `Swagger ${String(value.swagger)}`)
    const isKnown = ctx.profile === 'skeldir' ? /^3\.1\.\d+$/ : /^3\.[01]\.\d+/
    if (!isKnown.test(version)) {
      const wanted = ctx.profile === 'skeldir' ? '3.1' : '3.0 or 3.1'
      yield { message: `the document is ${version}; it must be OpenAPI ${wanted}`, at: placeOfKey(document, 'openapi') }
    }
    if (ctx.profile === 'skeldir') yield* wrongInfo(document, first)
  }
}

function* wrongInfo(document: SourceDocument, first: SourceDocument | undefined): Generator<Fault> {
  const infoOf = (owner: SourceDocument | undefined) => (isObject(owner?.value.info) ? owner.value.info : {})
  const version = infoOf(document).version
  const at = { file: document.file, pointer: '#/info/version' }
  if (typeof version !== 'string' || !/^\d+\.\d+\.\d+$/.test(version)) {
    yield { message: `info.version is ${String(version)}; it must have three numbers`, at }
  } else if (version !== infoOf(first).version) {
    yield { message: `info.version is ${version}, but ${String(infoOf(first).version)} in ${first?.name}.yaml`, at }
  }
}
