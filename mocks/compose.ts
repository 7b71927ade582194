// Prints mocks/compose.yaml, which is made from mocks/registry.json.
//   node mocks/compose.ts > mocks/compose.yaml
import { readRegistry } from './registry.ts'

/** What the mocks read, and nothing that a run of them could change. */
const MOUNTED = ['.npmrc', 'package.json', 'package-lock.json', 'api-contracts', 'generated', 'mocks', 'scripts', 'src']

/** The same host as `npm run mocks`, for machines that have Docker and no Node. */
export function renderCompose(): string {
  const { gateway, mocks } = readRegistry()
  const ports = [{ domain: 'gateway', port: gateway.port }, ...mocks]
  return `# Generated from mocks/registry.json by \`node mocks/compose.ts > mocks/compose.yaml\`. Do not edit.
#   docker compose -f mocks/compose.yaml up
name: skeldir-mocks
services:
  mocks:
    image: node:24
    init: true
    working_dir: /skeldir
    # Packages are installed into the container, so that nothing is written to the checkout.
    command: ['sh', '-c', 'test -d node_modules || npm ci --no-audit --no-fund; exec node mocks/main.ts --host 0.0.0.0']
    volumes:
${MOUNTED.map((path) => `      - ../${path}:/skeldir/${path}:ro`).join('\n')}
    extra_hosts:
      - host.docker.internal:host-gateway
    ports:
${ports.map(({ domain, port }) => `      - 127.0.0.1:${port}:${port} # ${domain}`).join('\n')}
    healthcheck:
      test: ['CMD', 'node', '-e', "fetch('http://127.0.0.1:${gateway.port}/health/live').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
      interval: 5s
      timeout: 3s
      start_period: 120s
`
}

if (import.meta.main) process.stdout.write(renderCompose())
