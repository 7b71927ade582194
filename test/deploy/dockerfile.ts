export interface Instruction {
  /** `COPY`. */
  name: string
  /** `--from=packages`: the name without the dashes, and what comes behind `=`. */
  flags: Record<string, string>
  /** The rest of the line, or the words of a JSON list. */
  words: string[]
}

export interface Stage {
  image: string
  /** `AS packages`. */
  name: string | null
  instructions: Instruction[]
}

const KNOWN = new Set(['CMD', 'COPY', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'RUN', 'STOPSIGNAL', 'USER', 'WORKDIR'])

/**
 * Reads the part of the language that our Dockerfile is written in, and throws at everything else: one instruction to a
 * line, no variables, commands as JSON lists.
 * https://docs.docker.com/reference/dockerfile/
 */
export function parseDockerfile(text: string): Stage[] {
  const stages: Stage[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue
    const refuse = (why: string) => new Error(`line ${index + 1}: ${why}: ${line}`)
    const found = /^([A-Z]+) +(.*)$/.exec(line)
    if (found === null || line.endsWith('\\') || line.includes('$')) throw refuse('cannot be read')
    const [, name = '', rest = ''] = found
    if (name === 'FROM') {
      const [, image = '', stage] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? []
      if (image === '') throw refuse('names no image')
      stages.push({ image, name: stage ?? null, instructions: [] })
      continue
    }
    const stage = stages.at(-1)
    if (!KNOWN.has(name) || stage === undefined) throw refuse('is not known')
    stage.instructions.push({ name, ...readWords(rest) })
  }
  return stages
}

function readWords(text: string): Omit<Instruction, 'name'> {
  const flags: Record<string, string> = {}
  let rest = text
  for (;;) {
    const found = /^--([a-z-]+)=(\S+) +/.exec(rest)
    if (found === null) break
    flags[found[1] as string] = found[2] as string
    rest = rest.slice(found[0].length)
  }
  const list = /^(?:(CMD) )?(\[.*\])$/.exec(rest)
  if (list === null) return { flags, words: rest.split(/ +/) }
  return { flags, words: [...(list[1] === undefined ? [] : [list[1]]), ...(JSON.parse(list[2] as string) as string[])] }
}

/**
 * Whether a path gets into the build context: the last line that fits decides, and a line about a folder is one about all
 * that is in it. https://docs.docker.com/build/concepts/context/#dockerignore-files
 */
export function parseDockerignore(text: string): (path: string) => boolean {
  const rules = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const isException = line.startsWith('!')
      const pattern = (isException ? line.slice(1) : line)
        .replace(/[.+^${}()|[\]]/g, '\\$&')
        .replace(/\*\*\//g, '\0')
        .replace(/\*/g, '[^/]*')
        .replaceAll('\0', '(?:.*/)?')
      return { isException, pattern: new RegExp(`^${pattern}(?:/|$)`) }
    })
  return (path) => rules.findLast(({ pattern }) => pattern.test(path))?.isException ?? true
}
