/**
 * The directions of STYLE B.3. `npm run check` runs them through scripts/check-architecture.ts, which also fails when
 * fewer files were seen than there are: under a compiler that it cannot use, dependency-cruiser sees none and is content.
 */
const FEATURES =
  'auth|tenants|webhooks|events|attribution|revenue|reconciliation|export|platforms|llm|health|errors|metrics|tracing'
const feature = `^src/(${FEATURES})/`
const lib = (...names) => `^node_modules/(${names.join('|')})/`

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'generated-is-a-leaf',
      severity: 'error',
      from: { path: '^generated/' },
      to: { path: '^(src|scripts|test|mocks)/' },
    },
    {
      name: 'src-stands-alone',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts|mocks|api-contracts)/' },
    },
    {
      name: 'mocks-stand-on-http',
      comment: 'They refuse what the server refuses, by the same code, and know nothing of what it does.',
      severity: 'error',
      from: { path: '^mocks/' },
      to: {
        path: '^(src|scripts|test|api-contracts)/',
        pathNot: '^src/(http|problem)/|^src/(contract|context)\\.ts$|^src/cli/supervised\\.ts$|^scripts/generate[./]',
      },
    },
    {
      name: 'mocks-are-tools',
      severity: 'error',
      from: { path: '^scripts/', pathNot: '^scripts/(bench|contracts)/' },
      to: { path: '^mocks/' },
    },
    {
      name: 'main-is-on-top',
      severity: 'error',
      from: { path: '^src/(?!main/|cli/)' },
      to: { path: '^src/(main|cli)/' },
    },
    { name: 'http-knows-no-feature', severity: 'error', from: { path: '^src/http/' }, to: { path: feature } },
    { name: 'features-know-no-http', severity: 'error', from: { path: feature }, to: { path: '^src/http/' } },
    {
      name: 'handlers-call-services',
      comment: 'Types of rows may pass through; SQL and jobs are called by services only.',
      severity: 'error',
      from: { path: `${feature}handlers\\.ts$` },
      to: { path: '/(queries|jobs|tasks)\\.ts$|^src/(db|queue)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'services-reach-services',
      comment: 'Another feature is entered by its service; look-ups of a row may be shared.',
      severity: 'error',
      from: { path: '^src/([^/]+)/service\\.ts$' },
      to: { path: `${feature}(handlers|tasks|jobs)\\.ts$`, pathNot: '^src/$1/jobs\\.ts$' },
    },
    {
      name: 'queries-are-the-floor',
      severity: 'error',
      from: { path: '/queries\\.ts$' },
      to: {
        path: '/(service|handlers|tasks|jobs)\\.ts$|^src/(http|queue|main|cli)/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'tasks-run-services',
      severity: 'error',
      from: { path: '/tasks\\.ts$' },
      to: { path: '/(handlers|queries)\\.ts$|^src/(db|http)/' },
    },
    {
      name: 'the-ground-knows-no-feature',
      severity: 'error',
      from: { path: '^src/(problem|db|queue|secrets)/|^src/[^/]+\\.ts$' },
      to: { path: `${feature}|^src/(http|main|cli)/` },
    },
    {
      name: 'statistics-are-pure',
      comment: 'Calculations over what they are given: no database, clock, file or environment, and no feature.',
      severity: 'error',
      from: { path: '^src/statistics/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: '^src/statistics/|^src/money\\.ts$' },
    },
    {
      name: 'express-only-in-http',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(http|main)/' },
      to: { path: lib('express') },
    },
    {
      name: 'openapi-backend-only-in-http',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/http/' },
      to: { path: lib('openapi-backend', 'find-my-way') },
    },
    {
      name: 'pg-boss-only-in-queue',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/queue/' },
      to: { path: lib('pg-boss') },
    },
    {
      name: 'opentelemetry-only-in-tracing',
      comment: 'Which is loaded where traces are asked for.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/tracing/' },
      to: { path: '^node_modules/@opentelemetry/' },
    },
    {
      name: 'tracing-is-loaded-late',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/tracing/' },
      to: { path: '^src/tracing/', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    },
    {
      name: 'sql-only-in-queries',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(db|queue)/|/queries\\.ts$' },
      to: { path: lib('kysely', 'pg') },
    },
    {
      name: 'console-stands-apart',
      comment:
        'It runs in browsers: it knows the API through the generated client, and money by the one table of currencies.',
      severity: 'error',
      from: { path: '^src/console/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: '^src/console/|^generated/client/|^src/money\\.ts$|^node_modules/preact/' },
    },
    {
      name: 'nothing-imports-the-console',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/console/' },
      to: { path: '^src/console/' },
    },
    {
      name: 'the-snippet-stands-alone',
      comment: 'It runs in pages of shops: every byte that it imports is one more for each of their visitors.',
      severity: 'error',
      from: { path: '^src/events/snippet/' },
      to: { pathNot: '^src/events/snippet/' },
    },
    {
      name: 'nothing-imports-the-snippet',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/events/snippet/' },
      to: { path: '^src/events/snippet/' },
    },
    {
      name: 'nothing-but-production-packages',
      comment: 'The console is bundled, so what it uses is in the bundle.',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.ts$|^src/console/' },
      to: { dependencyTypes: ['npm-dev'] },
    },
    { name: 'declared-packages', severity: 'error', from: {}, to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] } },
  ],
  options: {
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^\\.skeldir/' },
  },
}
