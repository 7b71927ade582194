import type { Socket } from 'node:net'
import { Kysely, PostgresDialect } from 'kysely'
import type pg from 'pg'
import type { DB } from '../../generated/database.ts'
import type { Database } from './connect.ts'
import { isStalePlan } from './errors.ts'
import { preparedName } from './prepared.ts'

declare const tenantScope: unique symbol

/**
 * The open transaction of one tenant. Only `inTenant` makes one, so SQL outside a tenant's scope does not compile.
 * It is dead once `inTenant` returns.
 */
export type Tx = Kysely<DB> & { readonly [tenantScope]: true }

export interface TenantScope {
  /** A uuid in canonical form. */
  tenantId: string
  correlationId: string
  /** Runs after `work` in the same transaction. */
  beforeCommit?: (tx: Tx) => Promise<void>
}

export interface InTenantOptions {
  /** `worker`: attribution and LLM tasks, which then cannot write events (a trigger refuses). Default `request`. */
  executionContext?: 'request' | 'worker'
  /** True: every statement sees the data as the first one did (repeatable read). For reading much in parts. Default false. */
  isSnapshot?: boolean
  /**
   * True: `work` sends one statement, which only reads. COMMIT travels with it, so all of it is one round trip; what would write,
   * and what is sent after it, is refused. Default false.
   */
  isOneRead?: boolean
}

/** Thrown when COMMIT was answered by ROLLBACK: a statement had failed and its error was swallowed on the way. */
export class TransactionLost extends Error {
  override name = 'TransactionLost'
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const noop = () => {}

/**
 * Runs `work` in one transaction that sees and writes the rows of one tenant only.
 *
 * The context is set inside the transaction (`set_config(…, true)`), so nothing is left on the connection for whoever
 * gets it next. BEGIN and the context are not waited for: the first statement of `work` travels with them.
 * Commits when `work` resolves, rolls back when it throws, and throws TransactionLost unless COMMIT answers `COMMIT`.
 */
export async function inTenant<T>(
  db: Database,
  scope: TenantScope,
  work: (tx: Tx) => Promise<T>,
  options: InTenantOptions = {},
): Promise<T> {
  if (!UUID.test(scope.tenantId)) throw new TypeError('a tenant id is a lower-case uuid')
  const client = await db.pool.connect()
  const { tx, end, commit } = transactionOn(client, options.isOneRead === true)
  let broken: Error | undefined
  try {
    sendTogether(client)
    const begun = Promise.all([
      client.query(beginOf(options)),
      client.query({
        name: 'set-tenant',
        text: `select set_config('app.current_tenant_id', $1, true),
                      set_config('app.correlation_id', $2, true),
                      set_config('app.execution_context', $3, true)`,
        values: [scope.tenantId, scope.correlationId, options.executionContext ?? 'request'],
      }),
    ])
    begun.catch(noop)
    try {
      const result = await work(tx)
      await begun
      await scope.beforeCommit?.(tx)
      const done = await commit()
      if (done.command !== 'COMMIT') throw new TransactionLost(`COMMIT was answered by ${done.command}`)
      return result
    } catch (error) {
      end()
      if (isStalePlan(error)) broken = error as Error
      await client.query('rollback').catch((lost: Error) => {
        broken = lost
      })
      throw error
    }
  } finally {
    client.release(broken)
  }
}

/**
 * From BEGIN to the first statement all is written at once, as long as `work` waits for nothing else before it: a write by itself is a
 * system call, and what arrives by itself wakes the server (for one read two writes instead of four, and with `isOneRead` one).
 */
function sendTogether(client: pg.PoolClient): void {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection
  stream.cork()
  process.nextTick(() => stream.uncork())
}

function beginOf({ isSnapshot, isOneRead }: InTenantOptions): string {
  if (isOneRead === true) return 'begin read only'
  return isSnapshot === true ? 'begin isolation level repeatable read' : 'begin'
}

/**
 * A Kysely that speaks through this one connection until `end` or `commit`, or until COMMIT has travelled with its first statement.
 * It is made anew for each transaction (3 us, measured): work that goes on after its transaction ended must not reach the next one
 * on the connection, which is another tenant's.
 */
function transactionOn(
  client: pg.PoolClient,
  commitsWithFirst: boolean,
): { tx: Tx; end: () => void; commit: () => Promise<pg.QueryResult> } {
  let isOpen = true
  let committed: Promise<pg.QueryResult> | undefined
  const end = () => {
    isOpen = false
  }
  const commit = () => {
    end()
    committed ??= client.query('commit')
    return committed
  }
  // Kysely sends a text and its parameters, and nothing else.
  const query = (text: string, values: unknown[]) => {
    if (!isOpen) throw new Error('the transaction has ended')
    const name = preparedName(text)
    const answer = client.query(name === undefined ? { text, values } : { name, text, values })
    if (commitsWithFirst) commit().catch(noop)
    return answer
  }
  const connection = { query, release: noop }
  const tx = new Kysely<DB>({
    dialect: new PostgresDialect({
      pool: { connect: () => Promise.resolve(connection as never), end: () => Promise.resolve() } as never,
    }),
  }) as Tx
  return { tx, end, commit }
}
