import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { workerMetrics } from '../../src/metrics/catalogue.ts'
import { createExporter, exportFigures } from '../../src/metrics/exporter.ts'
import { createMetrics, type Family } from '../../src/metrics/registry.ts'
import { render } from '../../src/metrics/render.ts'
import { addUp, createShardWriter, MAX_SHARDS, openFolder, RETIRE_AFTER_MS, retire } from '../../src/metrics/shards.ts'

const definitions = workerMetrics(['shop.work'])

function givenFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-metrics-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** What a worker writes that began `jobs` jobs and is at them. */
async function countedBy(jobs: number, seconds = 0.05, requestId?: string): Promise<Family[]> {
  const metrics = createMetrics(definitions)
  metrics.add('skd_task_started_total', { task: 'shop.work' }, jobs)
  metrics.set('skd_task_active', {}, jobs)
  for (let job = 0; job < jobs; job += 1)
    metrics.observe('skd_task_duration_seconds', { task: 'shop.work' }, seconds, requestId)
  return metrics.read()
}

function find(families: readonly Family[], name: string): number | undefined {
  const base = name.replace(/_(count|sum)$/, '')
  const family = families.find((one) => one.name === name || one.name === base)
  return family?.values.find(({ metricName }) => metricName === undefined || metricName === name)?.value
}

/** As if the file had been written then. */
function age(folder: string, ms: number): void {
  for (const name of readdirSync(folder).filter((file) => !file.startsWith('retired'))) {
    const then = (Date.now() - ms) / 1_000
    utimesSync(join(folder, name), then, then)
  }
}

const OLD = RETIRE_AFTER_MS + 1_000

test('the figures of several workers are added up', async () => {
  const folder = givenFolder()
  await createShardWriter(folder).write(await countedBy(2))
  await createShardWriter(folder).write(await countedBy(3))
  const families = await exportFigures(folder, Date.now())
  expect(find(families, 'skd_task_started_total')).toBe(5)
  expect(find(families, 'skd_task_duration_seconds_count')).toBe(5)
  expect(find(families, 'skd_task_active')).toBe(5)
  expect(find(families, 'skd_exporter_workers')).toBe(2)
})

test('what a worker counted stays when it is gone; what it was at does not', async () => {
  const folder = givenFolder()
  await createShardWriter(folder).write(await countedBy(2))
  age(folder, OLD)
  await createShardWriter(folder).write(await countedBy(3))
  const before = await exportFigures(folder, Date.now())
  await retire(folder, Date.now())
  const after = await exportFigures(folder, Date.now())
  for (const families of [before, after]) {
    expect(find(families, 'skd_task_started_total')).toBe(5)
    expect(find(families, 'skd_task_active')).toBe(3)
    expect(find(families, 'skd_exporter_workers')).toBe(1)
  }
  expect(find(after, 'skd_exporter_retired_total')).toBe(1)
  expect(readdirSync(folder)).toHaveLength(2)
})

test('nothing is counted twice, though the file outlive its being taken over', async () => {
  const folder = givenFolder()
  await createShardWriter(folder).write(await countedBy(2))
  age(folder, OLD)
  const [name = ''] = readdirSync(folder)
  await retire(folder, Date.now())
  writeFileSync(join(folder, name), JSON.stringify({ families: await countedBy(2) }))
  expect(find(await exportFigures(folder, Date.now()), 'skd_task_started_total')).toBe(2)
  await retire(folder, Date.now())
  expect(readdirSync(folder)).toEqual(['retired.json'])
  expect(find(await exportFigures(folder, Date.now()), 'skd_task_started_total')).toBe(2)
})

test('a worker that was silent for too long begins anew, and what it counted before is counted once', async () => {
  const folder = givenFolder()
  const writer = createShardWriter(folder)
  await writer.write(await countedBy(2))
  age(folder, OLD)
  await retire(folder, Date.now())
  expect(await writer.write(await countedBy(2))).toBe(false)
  expect(await writer.write(await countedBy(1))).toBe(true)
  expect(find(await exportFigures(folder, Date.now()), 'skd_task_started_total')).toBe(3)
})

test('what a killed worker left half written goes, and what is no figures is told of', async () => {
  const folder = givenFolder()
  const id = '00000000-0000-4000-8000-000000000000'
  writeFileSync(join(folder, `${id}.shard.json.1.draft`), '{"fam')
  writeFileSync(join(folder, `${id}.shard.json`), '{"fam')
  writeFileSync(join(folder, 'README'), 'not ours')
  expect(find(await exportFigures(folder, Date.now()), 'skd_exporter_unreadable_shards')).toBe(1)
  age(folder, OLD)
  await retire(folder, Date.now())
  expect(readdirSync(folder).sort()).toEqual([`${id}.shard.json`, 'README'])
})

test.each([
  ['nothing', ''],
  ['cut', '{"ids":["00000000-0000-4000-8000-000000000000"],"count":1,"fam'],
  ['something else', '{"families":[{}]}'],
  ['no object', 'null'],
])(
  'sums of which %s is left are put aside and told of, and what is counted from then on counts',
  async (_what, text) => {
    const folder = givenFolder()
    await createShardWriter(folder).write(await countedBy(2))
    writeFileSync(join(folder, 'retired.json'), text)
    const before = await exportFigures(folder, Date.now())
    await retire(folder, Date.now())
    const after = await exportFigures(folder, Date.now())
    for (const families of [before, after]) {
      expect(find(families, 'skd_task_started_total')).toBe(2)
      expect(find(families, 'skd_exporter_unreadable_shards')).toBe(1)
    }
    age(folder, OLD)
    await retire(folder, Date.now())
    expect(readdirSync(folder).sort()).toEqual(['retired.json', 'retired.json.bad'])
    expect(find(await exportFigures(folder, Date.now()), 'skd_task_started_total')).toBe(2)
  },
)

test.each([
  '{"families":[{}]}',
  '{"families":[null]}',
  '{"families":[{"name":"skd_x","help":"X.","type":"gauge","aggregator":"sum","values":[{"value":null,"labels":{}}]}]}',
  '{"families":[{"name":"skd_x","help":"X.","type":"gauge","aggregator":"sum","values":[{"value":1}]}]}',
  '{"families":[{"name":"skd_x","type":"gauge","aggregator":"sum","values":[]}]}',
  '[]',
  'null',
])('a file of other things, %s, keeps nobody from the figures of others', async (text) => {
  const folder = givenFolder()
  await createShardWriter(folder).write(await countedBy(2))
  writeFileSync(join(folder, '00000000-0000-4000-8000-000000000000.shard.json'), text)
  const families = await exportFigures(folder, Date.now())
  expect(find(families, 'skd_exporter_unreadable_shards')).toBe(1)
  expect(find(families, 'skd_task_started_total')).toBe(2)
  expect(render(families, 'openmetrics')).toMatch(/# EOF\n$/)
})

test('of those who ask while others wait, those above a handful are sent away', async () => {
  const folder = givenFolder()
  await createShardWriter(folder).write(await countedBy(2))
  const server = await createExporter({ folder, token: null })
  onTestFinished(() => void server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  // One connection, so that all are there before the first is answered.
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(7))
  socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const statuses = [...(await text(socket)).matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => status)
  expect(statuses).toEqual(['200', '200', '200', '200', '200', '503', '503', '503'])
  expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(200)
})

test('a folder that is full is read within its bound', async () => {
  const tasks = Array.from({ length: 17 }, (_, index) => `some.task_number_${index}`)
  const metrics = createMetrics(workerMetrics(tasks))
  for (const task of tasks)
    for (const seconds of [0.005, 0.05, 0.5, 5, 50, 250, 1_000])
      metrics.observe('skd_task_duration_seconds', { task }, seconds, 'a'.repeat(36))
  const size = JSON.stringify({ families: await metrics.read() }).length
  expect(size * MAX_SHARDS).toBeLessThan(12_000_000)
})

test('a folder that is open to everybody, and one with too many files, are refused', async () => {
  const folder = givenFolder()
  await openFolder(folder)
  for (let i = 0; i < MAX_SHARDS; i += 1)
    writeFileSync(join(folder, `00000000-0000-4000-8000-${String(i).padStart(12, '0')}.shard.json`), '{}')
  await expect(createShardWriter(folder).write([])).rejects.toThrow(`has ${MAX_SHARDS} files`)
  chmodSync(folder, 0o777)
  await expect(openFolder(folder)).rejects.toThrow('open to everybody')
})

test('the newest exemplar stays', async () => {
  const parts = [await countedBy(1, 0.05, 'a'.repeat(36)), await countedBy(1, 0.05, 'b'.repeat(36))]
  const exemplars = (families: readonly Family[]) =>
    families.flatMap(({ values }) => values.flatMap(({ exemplar }) => (exemplar ? [exemplar] : [])))
  const [first, second] = parts.map((part) => exemplars(part)[0])
  if (first && second) second.timestamp = first.timestamp + 1
  expect(exemplars(addUp(parts)).map(({ labelSet }) => labelSet)).toEqual([{ correlation_id: 'b'.repeat(36) }])
})
