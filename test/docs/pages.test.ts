import { expect, onTestFinished, test } from 'vitest'
import openapi from '../../generated/openapi.json' with { type: 'json' }
import { operations } from '../../generated/operations.ts'
import { problems } from '../../generated/problems.ts'
import { notImplemented, type OperationId } from '../../src/contract.ts'
import { handlers } from '../../src/main/app.ts'
import { startPortal } from './portal.ts'
import { schemaErrors } from './schema.ts'

const ids = Object.keys(operations) as OperationId[]
const stateOf = (id: OperationId) => (handlers[id] === notImplemented ? 'mock' : 'real')

async function get(url: string, path: string): Promise<string> {
  const reply = await fetch(url + path)
  expect(reply.status, path).toBe(200)
  return reply.text()
}

test('every operation has a page and a text, with its state and its latency objective', async () => {
  const url = await startPortal(onTestFinished)
  const table = await get(url, '/docs/operations')
  for (const id of ids) {
    const { method, path, latencyObjectiveMs } = operations[id]
    const page = await get(url, `/docs/operations/${id}`)
    const text = await get(url, `/docs/operations/${id}.md`)
    expect(text).toContain(`\`${method.toUpperCase()} ${path}\` · \`${id}\``)
    expect(text).toContain(`| State on this server | ${stateOf(id)} |`)
    expect(text).toContain(`99 of 100 answers within ${latencyObjectiveMs} ms`)
    expect(page).toContain(`<td><span class="badge ${stateOf(id)}">${stateOf(id)}</span></td>`)
    const row = table.split('<tr>').find((each) => each.includes(`href="/docs/operations/${id}"`))
    expect(row).toContain(`>${stateOf(id)}</span></td><td>${latencyObjectiveMs}\u00a0ms</td>`)
  }
  const real = ids.filter((id) => stateOf(id) === 'real').length
  expect(real).toBeGreaterThan(0)
  expect(await get(url, '/docs')).toContain(`<b>${real}</b> real on this server`)
})

test('every problem page says what happened, why, what to do, who answers it, and shows a valid example', async () => {
  const url = await startPortal(onTestFinished)
  const all = await get(url, '/docs/problems.md')
  for (const [code, { status, title, description }] of Object.entries(problems)) {
    const page = await get(url, `/docs/problems/${code}`)
    const headings = [...page.matchAll(/<h2 id="[^"]*"><a[^>]*>([^<]*)</g)].map((match) => match[1])
    expect(headings, code).toEqual(['What happened', 'Why', 'What to do', 'Which operations answer it', 'Example'])
    expect(page).toContain(`<h1>${title}</h1>`)
    const block = /<pre[^>]*><code>([\s\S]*?)<\/code><\/pre>/.exec(page)?.[1] ?? ''
    const example = JSON.parse(
      block
        .replaceAll(/<[^>]+>/g, '')
        .replaceAll('&quot;', '"')
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&amp;', '&'),
    )
    expect(schemaErrors('Problem', example), code).toEqual([])
    expect(example).toMatchObject({ code, status, title, type: `/docs/problems/${code}` })
    expect(all).toContain(`## ${code} (${status})`)
    expect(all).toContain(description.split('. ')[0])
  }
})

test('the problem pages name exactly the operations whose contract shows the code', async () => {
  const url = await startPortal(onTestFinished)
  const page = await get(url, '/docs/problems/last_admin')
  const section = page.slice(page.indexOf('Which operations'), page.indexOf('id="example"'))
  const named = [...section.matchAll(/href="\/docs\/operations\/(\w+)"/g)].map((match) => match[1]).sort()
  const shown = Object.values(openapi.paths).flatMap((item) =>
    Object.values(item as Record<string, { operationId?: string }>)
      .filter((operation) => JSON.stringify(operation).includes('"code":"last_admin"'))
      .map(({ operationId }) => operationId),
  )
  expect(shown.length).toBeGreaterThan(0)
  expect(named).toEqual(shown.sort())
  expect(await get(url, '/docs/problems/not_implemented')).toContain('Any of them')
})

test('the description says of each operation what this server has, and nothing else is changed', async () => {
  const url = await startPortal(onTestFinished)
  const served = JSON.parse(await get(url, '/docs/openapi.json'))
  let seen = 0
  for (const [path, item] of Object.entries(openapi.paths)) {
    for (const [method, written] of Object.entries(item)) {
      const { operationId, description } = written as { operationId: OperationId; description: string }
      const operation = served.paths[path][method]
      const { 'x-implementation': state, 'x-badges': badges, description: text, ...rest } = operation
      expect(state).toBe(stateOf(operationId))
      expect(badges.map(({ name }: { name: string }) => name)).toEqual([
        state,
        `p99 ≤ ${operation['x-latency-objective-ms']} ms`,
      ])
      expect(text).toContain(`${description}\n\n**State: ${state}.**`)
      const { description: _description, ...others } = written as Record<string, unknown>
      expect(rest).toEqual(others)
      seen += 1
    }
  }
  expect(seen).toBe(ids.length)
  expect({ ...served, paths: {} }).toEqual({ ...openapi, paths: {} })
})

test('deprecations list every deprecated operation, its sunset and its successor', async () => {
  const url = await startPortal(onTestFinished)
  const page = await get(url, '/docs/deprecations')
  const deprecated = ids.filter((id) => operations[id].deprecated)
  expect(deprecated.length).toBeGreaterThan(0)
  for (const id of deprecated) {
    const row = page.split('<tr>').find((each) => each.includes(`href="/docs/operations/${id}"`)) ?? ''
    expect(row).toContain(`<td>${operations[id].sunset}</td>`)
    const links = [...row.matchAll(/href="\/docs\/operations\/(\w+)"/g)].map((match) => match[1])
    expect(links).toHaveLength(2)
    expect(ids.filter((other) => !operations[other].deprecated)).toContain(links[1])
  }
})

test('the changelog names the version of the contract and links to its operations', async () => {
  const url = await startPortal(onTestFinished)
  const page = await get(url, '/docs/changelog')
  expect(page).toContain(`>${openapi.info.version}</a></h2>`)
  for (const id of ids) expect(page).toContain(`href="/docs/operations/${id}"`)
})
