import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Rolldown } from 'vite'

/** `generated/snippet/collect.js` from `src/events/snippet`: one classic script, for pages of other people. Nothing is downloaded. */
export async function makeSnippet(root: string): Promise<Map<string, string>> {
  const source = join(root, 'src/events/snippet')
  // A contract without a snippet is one of a test.
  if (!existsSync(source)) return new Map()
  const output = await build({
    root: source,
    // No .env, no config and no cache of this machine has a say.
    configFile: false,
    envDir: false,
    mode: 'production',
    logLevel: 'warn',
    publicDir: false,
    cacheDir: join(root, '.skeldir/cache/vite'),
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      write: false,
      // Shops are visited with old browsers too; an older one cannot read the script, which then does nothing.
      target: 'es2019',
      minify: 'oxc',
      modulePreload: false,
      reportCompressedSize: false,
      rolldownOptions: {
        input: join(source, 'collect.ts'),
        output: { format: 'iife', entryFileNames: 'collect.js', codeSplitting: false },
      },
    },
  })
  const { output: files } = output as Rolldown.RolldownOutput
  const [script] = files
  return new Map([['generated/snippet/collect.js', `${script.code.trimEnd()}\n`]])
}
