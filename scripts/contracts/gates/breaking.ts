import { join } from 'node:path'
import { compareVersions } from '../../generate/contract.ts'
import { isObject } from '../../generate/json.ts'
import { newestBaseline } from '../baselines.ts'
import { type CheckContext, platformOf } from '../context.ts'
import { type Change, diffContracts } from '../diff.ts'
import type { Fault, Place } from '../finding.ts'
import type { Gate } from '../gate.ts'
import { placeInSource } from '../locate.ts'
import { askOthers } from '../opinions.ts'

export const breakingGate: Gate = {
  name: 'breaking',
  description: 'no change since the newest baseline breaks callers without a major step of the version',
  profiles: ['skeldir'],
  needs: ['document', 'bundle'],
  inputs: (ctx) => [ctx.files.name(join(ctx.home, 'baselines'))],
  skip: (ctx) => (newestBaseline(ctx) === undefined ? 'there is no baseline yet' : undefined),
  rules: [
    {
      id: 'breaking/version-step',
      gate: 'breaking',
      description:
        'A breaking change needs a major step of `info.version`. Before 1.0.0, and for operations that are drafts, it is only told.',
      check: breakingFaults,
    },
    {
      id: 'breaking/order',
      gate: 'breaking',
      description: '`info.version` never goes back behind the newest baseline.',
      check: async (ctx) => {
        const baseline = newestBaseline(ctx)
        const { version } = (await platformOf(ctx)).info
        if (baseline === undefined || compareVersions(version, baseline.version) >= 0) return []
        return [
          {
            message: `info.version ${version} is behind the baseline ${baseline.version}`,
            at: placeInSource(ctx, '#/info/version'),
          },
        ]
      },
    },
    {
      id: 'breaking/second-opinion',
      gate: 'breaking',
      description:
        'Redocly is asked too, and oasdiff where it is installed (on PATH or in .skeldir/bin); that opinions differ is a warning with the reasons of both.',
      check: secondOpinion,
    },
  ],
}

async function changesOf(ctx: CheckContext): Promise<Change[]> {
  const baseline = newestBaseline(ctx)
  const platform = await platformOf(ctx)
  return ctx.once('changes', () => (baseline === undefined ? [] : diffContracts(baseline.document, platform)))
}

async function breakingFaults(ctx: CheckContext): Promise<Fault[]> {
  const baseline = newestBaseline(ctx)
  if (baseline === undefined) return []
  const { version } = (await platformOf(ctx)).info
  const isMajorStep = Number(version.split('.')[0]) > Number(baseline.version.split('.')[0])
  const isBeforeFirst = version.startsWith('0.')
  return (await changesOf(ctx))
    .filter(({ kind }) => kind === 'breaking')
    .map((change) => {
      const { operation, message, isDraft } = change
      const isExempt = isMajorStep || isBeforeFirst || isDraft
      const step = isExempt ? '' : `; that needs version ${Number(baseline.version.split('.')[0]) + 1}.0.0`
      return {
        message: `${operation}: ${message} (since ${baseline.version})${step}`,
        at: placeOfChange(ctx, change),
        severity: isExempt ? ('notice' as const) : ('error' as const),
      }
    })
}

async function secondOpinion(ctx: CheckContext): Promise<Fault[]> {
  const baseline = newestBaseline(ctx)
  if (baseline === undefined) return []
  const platform = await platformOf(ctx)
  const ours = (await changesOf(ctx)).filter(({ kind }) => kind === 'breaking')
  const opinions = await askOthers(ctx.root, baseline.file, platform)
  const at = placeInSource(ctx, '#/info/version')
  return opinions.flatMap(({ tool, breaking }): Fault[] => {
    const here = ours.filter(({ path }) => !breaking.some((other) => isSamePath(other.paths, path)))
    const there = breaking.filter((other) => !ours.some(({ path }) => isSamePath(other.paths, path)))
    const texts = [
      ...listed(
        `only ${tool}`,
        there.map(({ paths, message }) => `${paths[0] ?? '*'}: ${message}`),
      ),
      ...listed(
        'only this gate',
        here.map(({ operation, message }) => `${operation}: ${message}`),
      ),
    ]
    return texts.length === 0
      ? []
      : [{ message: `two opinions on what breaks callers; ${texts.join('; ')}`, at, severity: 'warning' }]
  })
}

/** What a tool attributes to no path may belong to any. */
function isSamePath(theirs: string[], ours: string): boolean {
  const shape = (path: string) => path.replaceAll(/\{[^}]*\}/g, '{}')
  return theirs.length === 0 || theirs.some((path) => shape(path) === shape(ours))
}

/** What is gone is told where its neighbours stand: in its domain, those whose paths begin as its own did. */
function placeOfChange(ctx: CheckContext, { pointer, path }: Change): Place {
  if (pointer !== '#/paths') return placeInSource(ctx, pointer)
  const common = (other: string) => {
    const parts = other.split('/')
    const first = path.split('/').findIndex((part, index) => part !== parts[index])
    return first === -1 ? parts.length : first
  }
  const domains = Object.values(newestBaseline(ctx)?.document.paths[path] ?? {}).map((node) =>
    isObject(node) ? node['x-domain'] : undefined,
  )
  const { operations } = ctx.source()
  const neighbours = operations.filter(({ value }) => domains.includes(value['x-domain'] ?? null))
  const [nearest] = (neighbours.length > 0 ? neighbours : operations).toSorted(
    (a, b) => common(b.path) - common(a.path),
  )
  return nearest === undefined ? placeInSource(ctx, pointer) : { file: nearest.document.file, pointer: '#/paths' }
}

const MAX_REASONS = 3

function listed(side: string, reasons: string[]): string[] {
  if (reasons.length === 0) return []
  const rest = reasons.length > MAX_REASONS ? ` and ${reasons.length - MAX_REASONS} more` : ''
  return [`${side} says: ${reasons.slice(0, MAX_REASONS).join(', ')}${rest}`]
}
