// Asks the process of this container whether it lives. Ends with 0 or 1; the health check of the services in compose.yaml.
//   node scripts/deploy/healthcheck.mjs [path, by default /health/live] [port, by default of the probes]

const { PORT = '8000', SKELDIR_PROBE_PORT: probePort = 'none' } = process.env
const [path = '/health/live', port = probePort === 'none' || probePort === '' ? PORT : probePort] =
  process.argv.slice(2)

try {
  const { status } = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2_000) })
  process.exitCode = status === 200 ? 0 : 1
} catch {
  process.exitCode = 1
}
