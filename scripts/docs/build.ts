// Writes the documentation as a folder for any web server.
//   npm run docs:build [-- --out DIR] [-- --api URL] [-- --base URL]
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { parseArgs } from 'node:util'

const HELP = `Writes the documentation portal as a folder of files that any web server can serve, with no server behind it and no
request to anywhere else. The reference is Redoc; trying out needs the portal that the API itself serves, at /docs.

  npm run docs:build [-- options]

  --out DIR    the folder (default .skeldir/docs); one that holds anything else than an earlier build is refused
  --api URL    where the API answers, for the reference and its samples (default http://localhost:8000)
  --base URL   where the folder will stand, for the addresses in llms.txt and the API catalog (default: relative ones)
  --help       this text

Prints the folder to stdout. Ends with 0 when it is written, 1 when it may not be, 2 when an option is wrong.
`
/** Lists what a build has written, so that the next one replaces that and nothing else. */
const MANIFEST = '.skeldir-docs.json'

/** A sentence for the user, and the status that the command ends with. */
class BuildError extends Error {
  override name = 'BuildError'
  readonly exitCode: number
  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}

async function main(args: string[]): Promise<void> {
  const { values } = readOptions(args)
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const folder = resolve(values.out)
  const apiUrl = readUrl('--api', values.api)
  const baseUrl = values.base === undefined ? null : readUrl('--base', values.base)
  const earlier = readEarlierBuild(folder)
  say('docs: rendering')
  // Loaded late: help and refusals need none of it.
  const [{ exportPortal }, { implementationIn }, { handlers }] = await Promise.all([
    import('./export.ts'),
    import('../../src/http/bind.ts'),
    import('../../src/main/app.ts'),
  ])
  const files = exportPortal({ implementationOf: implementationIn(handlers), apiUrl, baseUrl })
  for (const name of earlier) if (!files.has(name)) rmSync(join(folder, name), { force: true })
  for (const [name, content] of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  writeFileSync(join(folder, MANIFEST), `${JSON.stringify({ files: [...files.keys()].sort() }, null, 2)}\n`)
  const bytes = [...files.values()].reduce((sum, content) => sum + content.length, 0)
  say(`docs: ${files.size} files, ${(bytes / 1_048_576).toFixed(1)} MiB`)
  process.stdout.write(`${folder}\n`)
}

function readOptions(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        out: { type: 'string', default: join(import.meta.dirname, '../../.skeldir/docs') },
        api: { type: 'string', default: 'http://localhost:8000' },
        base: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new BuildError(`${(error as Error).message}\nTry: npm run docs:build -- --help`, 2)
  }
}

/** Without a trailing slash. */
function readUrl(option: string, text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '')
    throw new BuildError(`${option} must be an http or https URL, not ${JSON.stringify(text)}`, 2)
  return url.href.replace(/\/$/, '')
}

/** What an earlier build has written into the folder; nothing where it is new or empty. */
function readEarlierBuild(folder: string): string[] {
  if (!existsSync(folder)) return []
  const names = listFolder(folder)
  if (names.length === 0) return []
  if (!names.includes(MANIFEST))
    throw new BuildError(`${folder} is not empty and holds no earlier build: name another folder with --out`, 1)
  const { files } = JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8')) as { files: string[] }
  // A manifest is a file like any other: it must not lead out of the folder.
  const isBelow = (name: unknown) => typeof name === 'string' && resolve(folder, name).startsWith(folder + sep)
  return Array.isArray(files) ? files.filter(isBelow) : []
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    throw new BuildError(`${folder} cannot be read: ${(error as Error).message}`, 1)
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

if (import.meta.main) {
  try {
    await main(process.argv.slice(2))
  } catch (error) {
    const isSystem = typeof (error as NodeJS.ErrnoException).code === 'string'
    if (!(error instanceof BuildError || isSystem)) throw error
    say(`docs: ${(error as Error).message}`)
    process.exitCode = error instanceof BuildError ? error.exitCode : 1
  }
}
