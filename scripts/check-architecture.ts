// Checks the directions between folders (.dependency-cruiser.cjs) and the invariants that need the whole tree.
//   node scripts/check-architecture.ts
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { cruise, type ICruiseOptions } from 'dependency-cruiser'
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config'

const FOLDERS = ['src', 'scripts', 'mocks', 'test', 'generated']

export interface ArchitectureReport {
  /** Files on disk. */
  files: number
  /** Files that were looked at: must be all of them. */
  seen: number
  faults: string[]
}

export async function checkArchitecture(
  root = fileURLToPath(new URL('..', import.meta.url)),
): Promise<ArchitectureReport> {
  const { default: rules } = await import(pathToFileURL(join(root, '.dependency-cruiser.cjs')).href)
  const { forbidden, options } = rules as { forbidden: object[]; options: ICruiseOptions }
  const folders = FOLDERS.filter((folder) => listSources(root, folder).length > 0)
  const onDisk = folders.flatMap((folder) => listSources(root, folder))
  const settings: ICruiseOptions = {
    ...options,
    baseDir: root,
    ruleSet: { forbidden } as NonNullable<ICruiseOptions['ruleSet']>,
    validate: true,
    outputType: 'json',
  }
  const { output } = await cruise(folders, settings, undefined, {
    tsConfig: extractTSConfig(join(root, 'tsconfig.json')),
  })
  const { modules, summary } = JSON.parse(output as string) as {
    modules: { source: string; dependencies: unknown[] }[]
    summary: { violations: { from: string; to: string; rule: { name: string }; cycle?: { name: string }[] }[] }
  }
  const seen = new Set(modules.map(({ source }) => source))
  const faults = summary.violations.map(({ from, to, rule, cycle }) => {
    const way = cycle === undefined ? to : cycle.map(({ name }) => name).join(' -> ')
    return `${from}: must not import ${way} (${rule.name})`
  })
  const missed = onDisk.filter((file) => !seen.has(file))
  if (missed.length > 0)
    faults.push(
      `looked at ${onDisk.length - missed.length} of ${onDisk.length} files; not at ${missed.slice(0, 5).join(', ')}`,
    )
  const withImports = modules.filter(
    ({ source, dependencies }) => source.startsWith('src/') && dependencies.length > 0,
  ).length
  if (withImports === 0) faults.push('saw no import in src: the parser does not understand the sources')
  return { files: onDisk.length, seen: onDisk.length - missed.length, faults }
}

function listSources(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(tsx?|mjs|js)$/.test(file) && !file.endsWith('.d.ts'))
      .map((file) => `${folder}/${file}`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

if (import.meta.main) {
  const { files, seen, faults } = await checkArchitecture()
  for (const fault of faults) console.error(fault)
  console.log(`architecture: ${seen} of ${files} files, ${faults.length} faults`)
  process.exitCode = faults.length === 0 && files > 0 ? 0 : 1
}
