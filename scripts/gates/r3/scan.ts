import { readFileSync } from 'node:fs'
import type { LoadWorld } from '../../load/world.ts'
import { PERSONAL_TEXTS } from './broken.ts'

export interface Scan {
  /** Where something was found: `table public.x: 'text'`. */
  hits: string[]
  tables: number
  bytesOfLogs: number
}

/** Looks for personal data in every row of every table, bytes included, and in what the processes and Postgres printed. */
export async function scan(world: LoadWorld, logFiles: readonly string[]): Promise<Scan> {
  const tables = await world.query<{ name: string }>(
    `select c.oid::regclass::text as name
     from pg_class as c
     where c.relkind in ('r', 'm') and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       and c.relpersistence = 'p' and c.relname !~ '^pg_toast'
     order by 1`,
  )
  const hits: string[] = []
  for (const { name } of tables) {
    const found = await world.query<{ text: string }>(
      `select text from unnest($1::text[]) as text
       where exists (select from ${name} as r
                     where strpos(r::text, text) > 0 or strpos(r::text, encode(convert_to(text, 'UTF8'), 'hex')) > 0)`,
      [PERSONAL_TEXTS],
    )
    for (const { text } of found) hits.push(`table ${name}: ${JSON.stringify(text)}`)
  }
  let bytesOfLogs = 0
  for (const file of logFiles) {
    const content = readFileSync(file, 'utf8')
    bytesOfLogs += content.length
    for (const text of PERSONAL_TEXTS) if (content.includes(text)) hits.push(`log ${file}: ${JSON.stringify(text)}`)
  }
  return { hits, tables: tables.length, bytesOfLogs }
}
