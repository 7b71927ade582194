// Looks through the tracked files for secrets, database URLs with a password, and download addresses in the lock file.
//   node scripts/check-secrets.ts
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const MAX_BYTES = 1_048_576

interface Rule {
  name: string
  pattern: RegExp
  /** Where the pattern may stand: tests and examples make up secrets of their own. */
  allowed?: RegExp
}

/** Made up of parts, so that this file is not a finding of its own. */
const rules: Rule[] = [
  { name: 'a private key', pattern: new RegExp(`-----BEGIN (?:[A-Z]+ )?${'PRIVATE'} KEY-----`) },
  {
    name: 'a Stripe secret',
    pattern: /\b(?:sk|rk)_live_[0-9a-zA-Z]{16,}|\bwhsec_[0-9a-zA-Z]{24,}/,
    allowed: /^(test|scripts\/demo)\//,
  },
  // Such a path holds %20 where the folder's name holds a space.
  {
    name: 'a file URL taken for a path (fileURLToPath)',
    pattern: /(?:import\.meta\.url\)|[A-Z]_FILE|[A-Z]_URL)\.pathname/,
  },
  { name: 'an AWS key', pattern: /\bAKIA[0-9A-Z]{16}\b/ },
  { name: 'a GitHub token', pattern: /\bgh[pousr]_[0-9A-Za-z]{36}\b/ },
  { name: 'a JSON Web Token', pattern: /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/ },
  { name: 'an API key of ours', pattern: /\bskd_[A-Za-z0-9_-]{43}\b/ },
  {
    name: 'a database URL with a password',
    pattern: /\bpostgres(?:ql)?:\/\/[^\s:/@'"`$]+:[^\s@'"`$…<{]+@/i,
    allowed: /^test\/|\.test\.ts$/,
  },
]

export function findSecrets(file: string, text: string): string[] {
  const lines = text.split('\n')
  return rules
    .filter(({ allowed }) => allowed?.test(file) !== true)
    .flatMap(({ name, pattern }) =>
      lines.flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: looks like ${name}`] : [])),
    )
}

/** A lock file that names a host cannot be installed where that host is not reached. */
export function findDownloadAddresses(lockFile: string): string[] {
  const { packages } = JSON.parse(lockFile) as { packages: Record<string, { resolved?: string }> }
  return Object.entries(packages)
    .filter(([, { resolved }]) => resolved?.startsWith('http') === true)
    .map(
      ([name]) =>
        `package-lock.json: ${name} names a download address (set omit-lockfile-registry-resolved=true and write it again)`,
    )
}

function listFiles(): string[] {
  const output = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  return output
    .split('\0')
    .filter((file) => file !== '' && statSync(join(root, file), { throwIfNoEntry: false })?.isFile() === true)
}

if (import.meta.main) {
  const files = listFiles()
  const faults = files.flatMap((file) => {
    const bytes = readFileSync(join(root, file))
    if (bytes.length > MAX_BYTES && file !== 'package-lock.json') return []
    if (bytes.includes(0)) return []
    return file === 'package-lock.json' ? findDownloadAddresses(bytes.toString()) : findSecrets(file, bytes.toString())
  })
  for (const fault of faults) console.error(fault)
  console.log(`secrets: ${files.length} files, ${faults.length} faults`)
  process.exitCode = faults.length === 0 && files.length > 0 ? 0 : 1
}
