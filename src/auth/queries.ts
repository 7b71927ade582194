import { sql } from 'kysely'
import type { Role } from '../context.ts'
import type { Lookup } from '../db/connect.ts'

export interface LoginRow {
  userId: string
  passwordHash: string
  status: string
  tenantId: string | null
  slug: string | null
  tenantName: string | null
  role: Role | null
}

/** One row per tenant the person belongs to, ordered by slug; one with nulls when there is none. */
export async function findLogin(lookup: Lookup, email: string): Promise<LoginRow[]> {
  const { rows } = await sql<LoginRow>`
    select user_id       as "userId",
           password_hash as "passwordHash",
           status,
           tenant_id     as "tenantId",
           slug,
           tenant_name   as "tenantName",
           role
    from internal.find_login(${email})`.execute(lookup)
  return rows
}

export async function findApiKey(
  lookup: Lookup,
  secretHash: Buffer,
): Promise<{ tenantId: string; keyId: string; scopes: string[] } | undefined> {
  const { rows } = await sql<{ tenantId: string; keyId: string; scopes: string[] }>`
    select tenant_id as "tenantId", key_id as "keyId", scopes
    from internal.find_api_key(${secretHash})`.execute(lookup)
  return rows[0]
}
