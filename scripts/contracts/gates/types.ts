import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { OpenApiDocument } from '../../generate/contract.ts'
import type { CheckContext } from '../context.ts'
import { type Fault, ToolError } from '../finding.ts'
import type { Gate } from '../gate.ts'
import { placeInSource } from '../locate.ts'

export const typesGate: Gate = {
  name: 'types',
  description: 'the types made from the documents compile, with the seam to the handlers',
  profiles: ['skeldir', 'none'],
  needs: ['document', 'bundle', 'lint'],
  inputs: (ctx) => (ctx.isOwn ? ['src/contract.ts', 'src/context.ts', 'tsconfig.json'] : []),
  rules: [
    {
      id: 'types/compile',
      gate: 'types',
      description: 'The types that openapi-typescript makes compile strictly, together with `src/contract.ts`.',
      check: typeErrors,
    },
  ],
}

/** Of the merged contract. Throws GenerateError. */
export function madeTypes(ctx: CheckContext): Promise<string> {
  return ctx.once('types', async () => (await loadEmitter())((await ctx.contract()).platform))
}

/** It brings a compiler along, which a run that the cache answers need not load. */
async function loadEmitter(): Promise<(document: OpenApiDocument) => Promise<string>> {
  return (await import('../../generate/types.ts')).emitTypes
}

const OPTIONS = {
  target: 'es2024',
  lib: ['es2024', 'esnext.iterator'],
  module: 'nodenext',
  moduleResolution: 'nodenext',
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true,
  allowImportingTsExtensions: true,
  skipLibCheck: true,
  noEmit: true,
  // `src` is linked into the folder, and must find the fresh files beside it.
  preserveSymlinks: true,
}

async function typeErrors(ctx: CheckContext): Promise<Fault[]> {
  const require = createRequire(import.meta.url)
  const cache = join(ctx.root, '.skeldir/cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'types-'))
  try {
    const files = ctx.profile === 'none' ? await writeForeign(ctx, folder) : await writeOwn(ctx, folder)
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...OPTIONS, types: ctx.profile === 'none' ? [] : ['node'] }, files }),
    )
    const output = await runCompiler(require.resolve('typescript7/package.json'), folder)
    return output.map((line) => toFault(ctx, line))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** `src/contract.ts(12,3): error TS2344: …`; the types of a foreign document point to the document. */
function toFault(ctx: CheckContext, text: string): Fault {
  const [, file = '', line, column, message = text] = /^(\S.*?)\((\d+),(\d+)\): (.*)$/.exec(text) ?? []
  const document = ctx.source().documents[Number(/^api-(\d+)\.ts$/.exec(file)?.[1])]
  if (document !== undefined) return { message, at: { file: document.file, pointer: '#' } }
  const isOurs = ctx.isOwn && /^(?:src|generated)\//.test(file)
  return { message, at: isOurs ? { file, line: Number(line), column: Number(column) } : placeInSource(ctx, '#') }
}

async function writeOwn(ctx: CheckContext, folder: string): Promise<string[]> {
  const { emitOperations } = await import('../../generate/operations.ts')
  mkdirSync(join(folder, 'generated'))
  writeFileSync(join(folder, 'generated/api.ts'), await madeTypes(ctx))
  writeFileSync(join(folder, 'generated/operations.ts'), emitOperations(await ctx.contract()))
  if (!ctx.isOwn || !existsSync(join(ctx.root, 'src/contract.ts')))
    return ['generated/api.ts', 'generated/operations.ts']
  // The seam is compiled against the fresh files; what it imports beside them comes from the repository.
  for (const file of ['problems.ts', 'database.ts', 'validators.d.ts', 'validators.js']) {
    const target = join(ctx.root, 'generated', file)
    if (existsSync(target)) symlinkSync(target, join(folder, 'generated', file))
  }
  symlinkSync(join(ctx.root, 'src'), join(folder, 'src'), 'dir')
  return ['generated/api.ts', 'generated/operations.ts', 'src/contract.ts']
}

async function writeForeign(ctx: CheckContext, folder: string): Promise<string[]> {
  const files: string[] = []
  const emitTypes = await loadEmitter()
  for (const [index, { written }] of (await ctx.foreign()).entries()) {
    const file = `api-${index}.ts`
    writeFileSync(join(folder, file), await emitTypes(written as unknown as OpenApiDocument))
    files.push(file)
  }
  return files
}

/** Lines of errors, without the path of the temporary folder. */
function runCompiler(packageFile: string, folder: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const tsc = join(packageFile, '../bin/tsc')
    const child = spawn(process.execPath, [tsc, '--pretty', 'false', '-p', folder], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk
      })
    }
    child.on('error', (error) => reject(new ToolError(`the compiler does not start: ${error.message}`)))
    child.on('close', (code) => {
      const errors = output.split('\n').filter((line) => /error TS\d+/.test(line))
      if (code !== 0 && errors.length === 0) reject(new ToolError(`the compiler failed: ${output.slice(0, 200)}`))
      else resolve(errors)
    })
  })
}
