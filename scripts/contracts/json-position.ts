interface Child {
  key: number
  value: number
}

/**
 * Finds the offset of the property or element that tokens name; of the nearest ancestor where it is absent. The YAML
 * parser takes half a minute for a description of 12 MB; here each object on the way is read once. The text must be
 * valid JSON.
 */
export function indexJson(text: string): (tokens: readonly string[]) => number {
  const known = new Map<number, Map<string, Child>>()
  const childrenOf = (start: number): Map<string, Child> => {
    const found = known.get(start) ?? readChildren(text, start)
    known.set(start, found)
    return found
  }
  return (tokens) => {
    let at = skipSpace(text, 0)
    let found = at
    for (const token of tokens) {
      const child = childrenOf(at).get(token)
      if (child === undefined) return found
      found = child.key
      at = child.value
    }
    return found
  }
}

function readChildren(text: string, start: number): Map<string, Child> {
  const children = new Map<string, Child>()
  const isMap = text[start] === '{'
  if (!isMap && text[start] !== '[') return children
  let at = skipSpace(text, start + 1)
  for (let index = 0; text[at] !== '}' && text[at] !== ']' && at < text.length; index += 1) {
    const key = at
    let name = String(index)
    if (isMap) {
      const end = skipString(text, at)
      name = JSON.parse(text.slice(at, end)) as string
      at = skipSpace(text, skipSpace(text, end) + 1)
    }
    children.set(name, { key, value: at })
    at = skipSpace(text, skipValue(text, at))
    if (text[at] === ',') at = skipSpace(text, at + 1)
  }
  return children
}

function skipSpace(text: string, start: number): number {
  let at = start
  while (at < text.length && ' \t\r\n'.includes(text[at] as string)) at += 1
  return at
}

function skipString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

function skipValue(text: string, start: number): number {
  if (text[start] === '"') return skipString(text, start)
  let at = start
  let depth = 0
  while (at < text.length) {
    const char = text[at] as string
    if (char === '"') {
      at = skipString(text, at)
      continue
    }
    if (char === '{' || char === '[') depth += 1
    else if (char === '}' || char === ']') {
      if (depth === 0) return at
      depth -= 1
      if (depth === 0) return at + 1
    } else if (depth === 0 && char === ',') return at
    at += 1
  }
  return at
}
