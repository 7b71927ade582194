import { randomBytes } from 'node:crypto'
import { ProvisioningError } from './operator.ts'

/** RFC 5321, section 4.5.3.1.3, without the angle brackets. */
const MAX_LENGTH = 254
const ADDRESS = /^[^\s@]+@[^\s@][^\s@.]*\.[^\s@]+$/

/** Throws ProvisioningError for what is no e-mail address; otherwise the form in which it is stored. */
export function readAddress(email: string): string {
  const address = email.toLowerCase()
  if (address.length <= MAX_LENGTH && ADDRESS.test(address)) return address
  throw new ProvisioningError(`"${email}" is not an e-mail address`)
}

/** 144 random bits. */
export function generatePassword(): string {
  return randomBytes(18).toString('base64url')
}
