import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckContext } from '../context.ts'
import { lineOf } from '../files.ts'
import type { Fault } from '../finding.ts'
import type { Gate } from '../gate.ts'

/** Stores, brokers and queues, by package name or image; as a whole word, so that `pg-boss` and `redirect` stay. */
const FOREIGN =
  /(?:^|[/@_-])(?:redis|ioredis|valkey|keydb|memcached|memjs|bull|bullmq|bee-queue|agenda|kafka|kafkajs|rdkafka|redpanda|amqp|amqplib|rabbitmq|rhea|nats|zeromq|mqtt|mosquitto|sqs|sns|pubsub|mongodb?|mongoose|mysql2?|mariadb|mssql|tedious|oracledb|sqlite3?|libsql|cassandra|scylladb|dynamodb|couchdb|nano|neo4j|elasticsearch|opensearch|clickhouse|influxdb?|etcd3?|zookeeper|temporalio|celery)(?:$|[/:@._-])/i
const COMPOSE = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml']

export const postgresGate: Gate = {
  name: 'postgres-only',
  description: 'Postgres is the only service that the platform needs',
  profiles: ['skeldir'],
  needs: [],
  inputs: () => ['package.json', ...COMPOSE, 'src'],
  skip: (ctx) => (ctx.isOwn ? undefined : 'the documents are not those of this repository'),
  rules: [
    {
      id: 'postgres-only/packages',
      gate: 'postgres-only',
      description: 'No package of package.json speaks to another store, broker or queue.',
      check: foreignPackages,
    },
    {
      id: 'postgres-only/services',
      gate: 'postgres-only',
      description: 'No service of compose.yaml runs another store, broker or queue.',
      check: foreignServices,
    },
    {
      id: 'postgres-only/imports',
      gate: 'postgres-only',
      description: 'No file of src imports another store, broker or queue, `node:sqlite` among them.',
      check: foreignImports,
    },
  ],
}

function read(ctx: CheckContext, file: string): string | null {
  const path = join(ctx.root, file)
  return existsSync(path) ? readFileSync(path, 'utf8') : null
}

function foreignPackages(ctx: CheckContext): Fault[] {
  const text = read(ctx, 'package.json')
  if (text === null) return []
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(text) as Record<
    string,
    Record<string, string>
  >
  return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
    .filter(([name, version]) => FOREIGN.test(name) || (version.startsWith('npm:') && FOREIGN.test(version.slice(4))))
    .map(([name]) => ({
      message: `${name} speaks to something other than Postgres`,
      at: { file: 'package.json', ...lineOf(text, text.indexOf(`"${name}"`)) },
    }))
}

function foreignServices(ctx: CheckContext): Fault[] {
  return COMPOSE.flatMap((file) => {
    const text = read(ctx, file)
    if (text === null) return []
    return [...text.matchAll(/^\s*image:\s*["']?([^\s"'#]+)/gm)]
      .filter(([, image = '']) => FOREIGN.test(image))
      .map(({ index, 0: line, 1: image = '' }) => ({
        message: `${image} is a service other than Postgres`,
        at: { file, ...lineOf(text, index + line.indexOf('image')) },
      }))
  })
}

function foreignImports(ctx: CheckContext): Fault[] {
  const folder = join(ctx.root, 'src')
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:ts|mjs|js)$/.test(name))
    .flatMap((name) => {
      const file = `src/${name.replaceAll('\\', '/')}`
      const text = read(ctx, file) ?? ''
      return [...text.matchAll(/(?:from|import|require)\s*\(?\s*['"]([^'"./][^'"]*)['"]/g)]
        .filter(([, module = '']) => module === 'node:sqlite' || FOREIGN.test(module))
        .map(({ index, 1: module = '' }) => ({
          message: `${module} is not Postgres`,
          at: { file, ...lineOf(text, index) },
        }))
    })
}
