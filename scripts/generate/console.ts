import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Rolldown } from 'vite'

/**
 * `generated/console/` from `src/console/`: a page, one script and one style sheet, by path below the root. Names without
 * hashes, because the files are committed; their ETags tell versions apart. Nothing is downloaded.
 */
export async function makeConsole(root: string): Promise<Map<string, string>> {
  const source = join(root, 'src/console')
  // A contract without a console is one of a test.
  if (!existsSync(source)) return new Map()
  const output = await build({
    root: source,
    // Relative to this, the page finds its files wherever the console itself is served.
    base: '/console/',
    // No .env, no config and no cache of this machine has a say.
    configFile: false,
    envDir: false,
    mode: 'production',
    logLevel: 'warn',
    publicDir: false,
    cacheDir: join(root, '.skeldir/cache/vite'),
    // NODE_ENV would decide these three: under a test runner the bundle would name the folders of this machine.
    define: { 'process.env.NODE_ENV': '"production"' },
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact', development: false } },
    resolve: { conditions: ['module', 'browser', 'production'] },
    build: {
      write: false,
      // What browsers have had for two and a half years (https://web.dev/baseline); named, so that time changes nothing.
      target: ['chrome119', 'edge119', 'firefox120', 'safari17.2'],
      assetsInlineLimit: 0,
      modulePreload: false,
      reportCompressedSize: false,
      rolldownOptions: {
        input: join(source, 'index.html'),
        output: {
          entryFileNames: 'app.js',
          assetFileNames: ({ names }) => (names.some((name) => name.endsWith('.css')) ? 'app.css' : '[name][extname]'),
          codeSplitting: false,
        },
      },
    },
  })
  const { output: files } = output as Rolldown.RolldownOutput
  return new Map(
    files.map((file) => [`generated/console/${file.fileName}`, textOf(file)]).toSorted() as [string, string][],
  )
}

function textOf(file: Rolldown.OutputChunk | Rolldown.OutputAsset): string {
  const text = file.type === 'chunk' ? file.code : Buffer.from(file.source).toString('utf8')
  return text.endsWith('\n') ? text : `${text}\n`
}
