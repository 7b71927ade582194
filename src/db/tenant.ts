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
 * gets it next. BEGIN and the context are sent without waiting: the first statement of `work` travels with them.
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
  const { tx, end } = transactionOn(client)
  let broken: Error | undefined
  try {
    const begun = Promise.all([
      client.query(options.isSnapshot === true ? 'begin isolation level repeatable read' : 'begin'),
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
      end()
      const done = await client.query('commit')
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
 * A Kysely that speaks through this one connection until `end`. It is made anew for each transaction (3 us, measured):
 * work that goes on after its transaction ended must not reach the next one on the connection, which is another tenant's.
 */
function transactionOn(client: pg.PoolClient): { tx: Tx; end: () => void } {
  let isOpen = true
  // Kysely sends a text and its parameters, and nothing else.
  const query = (text: string, values: unknown[]) => {
    if (!isOpen) throw new Error('the transaction has ended')
    const name = preparedName(text)
    return client.query(name === undefined ? { text, values } : { name, text, values })
  }
  const connection = { query, release: noop }
  const tx = new Kysely<DB>({
    dialect: new PostgresDialect({
      pool: { connect: () => Promise.resolve(connection as never), end: () => Promise.resolve() } as never,
    }),
  }) as Tx
  const end = () => {
    isOpen = false
  }
  return { tx, end }
}
