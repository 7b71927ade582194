import { randomBytes } from 'node:crypto'
import { ProvisioningError } from './operator.ts'

/** Throws ProvisioningError for what is no e-mail address; otherwise the form in which it is stored. */
export function readAddress(email: string): string {
  const address = email.toLowerCase()
  if (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(address) && address.length <= 254) return address
  throw new ProvisioningError(`"${email}" is not an e-mail address`)
}

/** 144 random bits. */
export function generatePassword(): string {
  return randomBytes(18).toString('base64url')
}
