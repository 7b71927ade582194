import type { Files } from './files.ts'

export type Profile = 'skeldir' | 'none'

/** The documents of one run, before anything is made from them. */
export interface DocumentFolder {
  /** Absolute: where the documents stand. */
  folder: string
  /** The folder of redocly.yaml, baselines, governance, changelog and README. */
  home: string
  profile: Profile
  files: Files
  /** Root documents, relative to the folder. */
  names: readonly string[]
  /** A value that several rules need: made when it is first asked for. */
  once: <T>(key: string, make: () => T) => T
}
