import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { compareVersions, type OpenApiDocument } from '../generate/contract.ts'
import type { CheckContext } from './context.ts'

export interface Baseline {
  version: string
  /** Absolute path. */
  file: string
  document: OpenApiDocument
}

/** Frozen contracts, oldest first. */
export function readBaselines(ctx: CheckContext): Baseline[] {
  return ctx.once('baselines', () => {
    const folder = join(ctx.home, 'baselines')
    let versions: string[]
    try {
      versions = readdirSync(folder).filter((name) => /^\d+\.\d+\.\d+$/.test(name))
    } catch {
      return []
    }
    return versions.sort(compareVersions).map((version) => {
      const file = join(folder, version, 'openapi.json')
      return { version, file, document: ctx.files.parse(file) as unknown as OpenApiDocument }
    })
  })
}

export function newestBaseline(ctx: CheckContext): Baseline | undefined {
  return readBaselines(ctx).at(-1)
}
