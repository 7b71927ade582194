import { statSync } from 'node:fs'

/**
 * The folder of recorded vendor data that `SKELDIR_REFERENCE_DATA` names, or null when it is unset: the recordings are
 * not part of the project. Use with `describe.skipIf(referenceData() === null)`, so that a run without them says
 * "skipped". Throws when the variable names no folder: a typing error must not look like a choice.
 */
export function referenceData(): string | null {
  const folder = process.env.SKELDIR_REFERENCE_DATA
  if (folder === undefined || folder === '') return null
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Error(`SKELDIR_REFERENCE_DATA names no folder: ${folder}`)
  }
  return folder
}
