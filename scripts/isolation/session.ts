import pg from 'pg'
import type { Cell, Outcome } from './cells/cell.ts'
import { quoteName, quoteText } from './rows/row.ts'

/** Everything as text, the way COPY and error messages print it. */
const asText = { getTypeParser: () => (text: string) => text }

export interface Session {
  client: pg.Client
  /** Runs the cell's statement in a sub-transaction that is rolled back before the next one. */
  run(cell: Cell, sql?: string): Promise<Outcome>
  end(): Promise<void>
}

/**
 * A connection with one open transaction that is never committed. `takesRole`: it is a superuser's, and each statement
 * runs after SET ROLE. A role that logs in by itself needs none.
 */
export async function openSession(url: string, { takesRole = false } = {}): Promise<Session> {
  const client = new pg.Client({ connectionString: url, application_name: 'skeldir isolation' })
  client.on('error', () => {})
  await client.connect()
  await client.query("begin; set local lock_timeout = '20s'; savepoint cell")
  return {
    client,
    run: (cell, sql = cell.sql) => send(client, toScript(cell, sql, takesRole), cell.copyLines ?? ''),
    end: () => client.end(),
  }
}

/** Where statements start again from, after something was changed in the transaction. */
export async function markStart({ client }: Session): Promise<void> {
  await client.query('savepoint cell')
}

/** One message to the server: several times fewer round trips than statement by statement. */
function toScript({ role, setting }: Cell, sql: string, takesRole: boolean): string {
  const parts = ['rollback to savepoint cell']
  if (takesRole) parts.push(`set local role ${quoteName(role)}`)
  if (setting !== null) parts.push(`set local app.current_tenant_id = ${quoteText(setting)}`)
  return [...parts, 'set constraints all immediate', sql].join('; ')
}

interface Reading {
  handleCopyData(message: { chunk: Buffer }): void
  handleCopyInResponse(connection: { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void }): void
}

function send(client: pg.Client, script: string, copyLines: string): Promise<Outcome> {
  const copied: string[] = []
  return new Promise((resolve, reject) => {
    const finish = (error: Error | null, results: unknown) => {
      if (error !== null && !(error instanceof pg.DatabaseError)) return reject(error)
      resolve(error === null ? toOutcome(results, copied) : toFailure(error))
    }
    const query = new pg.Query({ text: script, rowMode: 'array', types: asText } as never, finish as never)
    // COPY without a package of its own: the rows come and go as messages of the same query.
    Object.assign(query, {
      handleCopyData: ({ chunk }) => {
        copied.push(chunk.toString('utf8'))
      },
      handleCopyInResponse: (connection) => {
        connection.sendCopyFromChunk(Buffer.from(copyLines))
        connection.endCopyFrom()
      },
    } satisfies Reading)
    client.query(query as never)
  })
}

function toOutcome(results: unknown, copied: readonly string[]): Outcome {
  const last = (Array.isArray(results) ? results.at(-1) : results) as pg.QueryArrayResult<string[]>
  const lines = copied
    .join('')
    .split('\n')
    .filter((line) => line !== '')
  return {
    ok: true,
    rows: lines.length > 0 ? lines.map((line) => line.split('\t')) : last.rows,
    count: last.rowCount ?? 0,
  }
}

function toFailure(error: pg.DatabaseError): Outcome {
  const text = [error.message, error.detail, error.hint, error.where].filter((part) => part !== undefined)
  return { ok: false, code: error.code ?? 'unknown', text: text.join('\n') }
}
