import { bundleDocuments } from '../../generate/contract.ts'
import { GenerateError } from '../../generate/findings.ts'
import { isObject, type Json, type JsonObject } from '../../generate/json.ts'
import { type CheckContext, platformOf } from '../context.ts'
import { cyclicReferences } from '../cycles.ts'
import type { Fault } from '../finding.ts'
import { bundleForeign } from '../foreign.ts'
import type { Gate } from '../gate.ts'
import { placeInSource } from '../locate.ts'
import { parseGenerateFinding } from '../rules.ts'
import { references } from '../source.ts'

export const bundleGate: Gate = {
  name: 'bundle',
  description: 'references resolve, and the documents join into one, the same every time',
  profiles: ['skeldir', 'none'],
  needs: ['document'],
  rules: [
    {
      id: 'bundle/references',
      gate: 'bundle',
      description: 'Every `$ref` leads to something in these files; none leads to another host.',
      check: (ctx) => ctx.source().refFaults,
    },
    {
      id: 'bundle/cycles',
      gate: 'bundle',
      description:
        'No `$ref` leads back to itself, and a schema that contains itself can end (an optional property, an array, an alternative).',
      check: (ctx) => (isResolved(ctx) ? cyclicReferences(ctx) : []),
    },
    {
      id: 'bundle/joins',
      gate: 'bundle',
      description: 'The documents merge: no path, component or tag means two things, and no component must be renamed.',
      check: async (ctx) => {
        if (!isSound(ctx)) return []
        if (ctx.profile === 'none') {
          const bundles = await ctx.foreign()
          return bundles.flatMap(({ problems }) =>
            problems.map(({ message, severity, ...at }) => ({ message, severity, at })),
          )
        }
        return generateFaults(() => platformOf(ctx))
      },
    },
    {
      id: 'bundle/self-contained',
      gate: 'bundle',
      description: 'In a bundle every reference starts with `#/` and leads somewhere.',
      check: async (ctx) => {
        const bundles = await bundlesOf(ctx)
        return bundles === null ? [] : bundles.flatMap((bundle) => [...strayReferences(ctx, bundle)])
      },
    },
    {
      id: 'bundle/deterministic',
      gate: 'bundle',
      description: 'Bundling twice gives the same bytes.',
      check: async (ctx) => {
        const once = await bundlesOf(ctx)
        if (once === null) return []
        const twice =
          ctx.profile === 'none'
            ? (await bundleForeign(ctx)).map(({ written }) => written)
            : (await bundleDocuments(ctx.root, ctx.folder)).map(({ bundle }) => bundle as unknown as JsonObject)
        return once.flatMap((bundle, index): Fault[] =>
          JSON.stringify(bundle) === JSON.stringify(twice[index])
            ? []
            : [{ message: 'bundling it twice gives different results', at: placeInSource(ctx, '#') }],
        )
      },
    },
  ],
}

function isResolved(ctx: CheckContext): boolean {
  return ctx.source().refFaults.length === 0
}

/** Redocly does not return from some circles. */
function isSound(ctx: CheckContext): boolean {
  return isResolved(ctx) && cyclicReferences(ctx).length === 0
}

async function bundlesOf(ctx: CheckContext): Promise<JsonObject[] | null> {
  if (!isSound(ctx)) return null
  if (ctx.profile === 'none') return (await ctx.foreign()).map(({ written }) => written)
  try {
    return (await ctx.documents()).map(({ bundle }) => bundle as unknown as JsonObject)
  } catch (error) {
    if (error instanceof GenerateError) return null
    throw error
  }
}

/** What `npm run generate` would refuse, as faults. */
export async function generateFaults(make: () => Promise<unknown>): Promise<Fault[]> {
  try {
    await make()
    return []
  } catch (error) {
    if (error instanceof GenerateError) return error.findings.map(parseGenerateFinding)
    throw error
  }
}

function* strayReferences(ctx: CheckContext, bundle: JsonObject): Generator<Fault> {
  for (const { place, ref } of references({ file: '', pointer: '#' }, bundle)) {
    if (ref.startsWith('#/') && hasTarget(bundle, ref)) continue
    yield { message: `the bundle refers to ${ref}, which is not in it`, at: placeInSource(ctx, place.pointer) }
  }
}

function hasTarget(bundle: JsonObject, ref: string): boolean {
  const tokens = ref.slice(2).split('/')
  return (
    tokens.reduce<Json | undefined>(
      (parent, token) =>
        isObject(parent) || Array.isArray(parent)
          ? (parent as JsonObject)[decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~')]
          : undefined,
      bundle,
    ) !== undefined
  )
}
