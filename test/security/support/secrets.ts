import type { TestPlatform } from '../../support/platform.ts'
import { listTables } from './row-counts.ts'

/** By what it is. */
export type Secrets = ReadonlyMap<string, string>

/** A secret in every form in which it may slip out: as it is, in other alphabets, and as part of a URL. */
export function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  // Without the last characters of base64: they depend on what follows.
  const base64 = bytes.toString('base64').replace(/=+$/, '').slice(0, -2)
  return [...new Set([secret, encodeURIComponent(secret), bytes.toString('hex'), base64])]
}

/** The names of the secrets that a text holds in any form and any case. */
export function findSecrets(secrets: Secrets, text: string): string[] {
  const low = text.toLowerCase()
  return [...secrets].flatMap(([name, secret]) =>
    formsOf(secret).some((form) => low.includes(form.toLowerCase())) ? [name] : [],
  )
}

/** `<table>.<column>` of every column that holds the text in any form: as text, inside JSON, or as bytes. */
export async function listColumnsHolding(platform: TestPlatform, secret: string): Promise<string[]> {
  const found: string[] = []
  for (const table of await listTables(platform)) {
    const columns = await platform.query<{ key: string }>(
      `select distinct entry.key
       from ${table} as t, jsonb_each_text(to_jsonb(t)) as entry, unnest($1::text[]) as form
       where strpos(lower(entry.value), lower(form)) > 0`,
      [formsOf(secret)],
    )
    found.push(...columns.map(({ key }) => `${table}.${key}`))
  }
  return found.sort()
}
