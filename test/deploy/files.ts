import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { parseDockerfile, parseDockerignore, type Stage } from './dockerfile.ts'

export const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (name: string) => readFileSync(join(root, name), 'utf8')

export interface Service {
  image?: string
  build?: string
  command?: string | string[]
  entrypoint?: string[]
  environment?: Record<string, string>
  ports?: string[]
  volumes?: string[]
  secrets?: string[]
  depends_on?: Record<string, { condition: string }> | string[]
  healthcheck?: { test?: string[]; disable?: boolean }
  stop_grace_period?: string
  user?: string
  privileged?: boolean
  restart?: string
  read_only?: boolean
  cap_drop?: string[]
  profiles?: string[]
}

export interface Compose {
  services: Record<string, Service>
  volumes: Record<string, unknown>
}

/** With `<<` merged, as Compose does. */
export function readCompose(): Compose {
  return parse(read('compose.yaml'), { merge: true, strict: true, uniqueKeys: true }) as Compose
}

/** `${NAME}` and what stands behind it, in any value of the file. */
export function listVariables(): { name: string; isRequired: boolean }[] {
  const found = read('compose.yaml').matchAll(/\$\{([A-Z_]+)(:\?[^}]*|:-[^}]*)?\}/g)
  return [...found].map(([, name = '', rest]) => ({ name, isRequired: rest?.startsWith(':-') !== true }))
}

export function readDockerfile(): Stage[] {
  return parseDockerfile(read('Dockerfile'))
}

export const isInContext = parseDockerignore(read('.dockerignore'))

/** Every file below `folder` that the build context has. */
export function listContext(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .filter(isInContext)
}

/** Lays out what the last stage copies out of the context, as the image has it; its packages are the caller's to add. */
export function layOutImage(target: string): void {
  const copies =
    readDockerfile()
      .at(-1)
      ?.instructions.filter(({ name, flags }) => name === 'COPY' && !flags.from) ?? []
  for (const { words } of copies) {
    const [source = '', destination = ''] = words
    const files = existsSync(join(root, source)) && !source.includes('.') ? listContext(source) : [source]
    for (const file of files) {
      const to = destination.endsWith('/') ? join(destination, file.split('/').at(-1) as string) : file
      cpSync(join(root, file), join(target, to), { recursive: true })
      if (!existsSync(dirname(join(target, to)))) throw new Error(`${file} was not copied`)
    }
  }
}
