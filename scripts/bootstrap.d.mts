export interface LockedPackage {
  version?: string
  integrity?: string
  dev?: boolean
  optional?: boolean
  devOptional?: boolean
  os?: string | string[]
  cpu?: string | string[]
  libc?: string | string[]
}
export interface Machine {
  os: string
  cpu: string
  libc: () => string | undefined
}
export interface Missing {
  required: string[]
  optional: string[]
}
export class BootstrapError extends Error {}
export const thisMachine: Machine
export function findMissing(
  locked: Record<string, LockedPackage>,
  installed: Record<string, LockedPackage>,
  options: { machine: Machine; dev?: boolean; exists?: (path: string) => boolean },
): Missing
export function checkInstall(root: string, options?: { dev?: boolean; machine?: Machine }): Missing
export function findNode(root: string): string
export function bootstrap(
  root: string,
  options?: { dev?: boolean; say?: (line: string) => void },
): Promise<{ nodePath: string }>
export function takeInstallLock(root: string, say?: (line: string) => void): Promise<() => void>
export function restoreLibraryLinks(root: string, nodePath?: string): void
export function reportFailure(error: unknown): number
