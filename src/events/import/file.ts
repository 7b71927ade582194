import { createHash } from 'node:crypto'
import { accessSync, constants, createReadStream, statSync } from 'node:fs'

/** Bytes of one line: far more than any row of ours has, so no file makes the reader hold all of itself. */
export const MAX_LINE_BYTES = 1_048_576

const LF = 0x0a

/** Thrown for a file that cannot be imported as it is; the message says what is wrong with it. */
export class FileError extends Error {
  override name = 'FileError'
}

export interface FileFacts {
  path: string
  bytes: number
  sha256: Buffer
}

/**
 * Reads a file once, in bounded memory: its hash, by which it is known, and whether it is text that can be read line by
 * line. Throws FileError.
 */
export async function inspectFile(path: string): Promise<FileFacts> {
  requireFile(path)
  const hash = createHash('sha256')
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let bytes = 0
  let lineBytes = 0
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(chunk)
      decoder.decode(chunk, { stream: true })
      bytes += chunk.length
      lineBytes = longestLine(chunk, lineBytes)
    }
    decoder.decode()
  } catch (error) {
    if (error instanceof TypeError) throw new FileError(`${path} is not UTF-8 text`)
    throw error
  }
  if (bytes === 0) throw new FileError(`${path} is empty`)
  return { path, bytes, sha256: hash.digest() }

  /** The length of the line that the chunk ends in. */
  function longestLine(chunk: Buffer, before: number): number {
    let from = 0
    let length = before
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      requireLine(length + at - from)
      length = 0
      from = at + 1
    }
    length += chunk.length - from
    requireLine(length)
    return length
  }

  function requireLine(length: number): void {
    if (length > MAX_LINE_BYTES) throw new FileError(`${path} has a line of more than ${MAX_LINE_BYTES} bytes`)
  }
}

function requireFile(path: string): void {
  try {
    if (!statSync(path).isFile()) throw new FileError(`${path} is not a file`)
    accessSync(path, constants.R_OK)
  } catch (error) {
    if (error instanceof FileError) throw error
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new FileError(isAbsent ? `there is no file ${path}` : `${path} cannot be read`, { cause: error })
  }
}
