import type { Contract } from '../contract.ts'

/** The package's own version is that of the contract: what it can call, and how, changes with nothing else. */
export function emitManifest({ platform }: Contract): string {
  const entry = (name: string) => ({ types: `./${name}.d.ts`, default: `./${name}.js` })
  const manifest = {
    name: '@skeldir/client',
    version: platform.info.version,
    description: 'Typed client of the Skeldir API, with webhook verification, fixtures and mock handlers.',
    license: 'MIT',
    type: 'module',
    sideEffects: false,
    engines: { node: '>=20' },
    main: './index.js',
    types: './index.d.ts',
    exports: {
      '.': entry('index'),
      './operations': entry('operations'),
      './webhooks': entry('webhooks'),
      './fixtures': entry('fixtures'),
      './msw': entry('msw'),
      './package.json': './package.json',
    },
    files: ['*.js', '*.d.ts'],
    dependencies: { 'openapi-fetch': '0.17.0' },
    peerDependencies: { msw: '^3.0.5' },
    peerDependenciesMeta: { msw: { optional: true } },
  }
  return `${JSON.stringify(manifest, null, 2)}\n`
}
