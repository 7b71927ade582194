import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CONTRACT_FOLDER } from '../../generate/contract.ts'
import { freezeBaseline } from '../baseline.ts'
import { changelogFile, renderChangelog } from '../changelog.ts'
import { type CheckContext, createContext } from '../context.ts'
import { copyRepository } from './copy.ts'
import { TODAY } from './judge.ts'
import type { Base, Bench } from './operator.ts'

/** Makes both copies below a folder, and what targets are looked for in. */
export async function makeBenches(root: string, folder: string): Promise<Record<Base, Bench>> {
  const clean = join(folder, 'clean')
  const frozen = join(folder, 'frozen')
  copyRepository(root, clean)
  copyRepository(root, frozen)
  await freeze(frozen)
  return { clean: openBench(clean), frozen: openBench(frozen) }
}

function openBench(root: string): Bench {
  return {
    ctx: contextOf(root),
    read(file) {
      const path = join(root, file)
      return existsSync(path) ? readFileSync(path, 'utf8') : ''
    },
  }
}

function contextOf(root: string): CheckContext {
  return createContext({ root, folder: join(root, CONTRACT_FOLDER), profile: 'skeldir', isOwn: true, today: TODAY })
}

/** Makes of a copy what the repository is at its next major version, on the day it is released. */
async function freeze(root: string): Promise<void> {
  const folder = join(root, CONTRACT_FOLDER)
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'))
  for (const name of names) {
    const file = join(folder, name)
    const text = readFileSync(file, 'utf8')
    const stable = text
      .replace(/^( {2}version: )["']?(\d+)\.\d+\.\d+["']?$/m, (_, key, major) => `${key}${Number(major) + 1}.0.0`)
      .replaceAll(/^( +x-stability: )draft$/gm, '$1stable')
    if (stable !== text) writeFileSync(file, stable)
  }
  rmSync(join(root, 'api-contracts/baselines'), { recursive: true, force: true })
  await freezeBaseline(root)
  const ctx = contextOf(root)
  writeFileSync(changelogFile(ctx), await renderChangelog(ctx))
}
