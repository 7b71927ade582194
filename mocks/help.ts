import { MAX_DELAY_MS } from './prefer.ts'
import { readRegistry } from './registry.ts'

export function renderHelp(): string {
  const { gateway, mocks } = readRegistry()
  const ports = mocks.map(({ port }) => port)
  return `Usage: npm run mocks [-- options]
       npm run mocks -- handover [--real URL] [--format text|json]

Answers for every operation of the contract: each document on a port of its own (${Math.min(...ports)} to ${Math.max(...ports)}), all of them at the
gateway on port ${gateway.port}, with CORS for every origin. Bad requests are refused as the server refuses them; answers are the
contract's examples, and are held against its schemas before they are sent.

  --real URL           operations that this server implements are sent there, the rest is mocked
  --real-timeout MS    how long it may stay silent (default 10000)
  --shadow             the mock answers, the real server is asked too (GET and HEAD), and differences are listed
  --shadow-writes      the same with every method: the real server's data changes
  --config FILE        faults, delays and rate limits by operation; the shape is mocks/config.schema.json
  --registry FILE      other ports than those of mocks/registry.json
  --ports free         any ports that are free
  --host ADDRESS       to listen at (default 127.0.0.1)
  --no-watch           do not follow changes of api-contracts/
  --help               this text

handover lists, for each operation, whether the real server answers it (default http://localhost:8000).

A request may wish, in its header Prefer, for
  code=404             that status, before any check; each status of the operation, and 405, 500 and 501
  example=NAME         that example; of a refusal, its status comes with it
  dynamic=true         a body made from the schema; seed=TEXT gives the same body again
  delay=MS             to wait, at most ${MAX_DELAY_MS}
  fault=KIND           reset, timeout, truncate, malformed, unavailable or rate-limit

Credentials: one that is missing or malformed is 401. Every other token, key or signature is taken, for every role.

Answers say X-Served-By: mock or real. With --real, a mock's answer says why in X-Mock-Reason: not_implemented,
real_unreachable, requested (by Prefer or --shadow) or too_large (a body above 1 MiB). A request that may have changed
something before the real server failed is 502 or 504, never an answer of the mock.

Ends when it is stopped: with 0, or with 1 when a port could not be opened; at once with 1 when nothing could start,
and with 2 when an option is wrong.
`
}
