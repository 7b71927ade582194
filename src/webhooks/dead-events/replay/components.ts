/** A name for all that the links join, directly or over others; a thing without links is its own. */
export function joinAll(links: readonly (readonly [string, string])[]): (name: string) => string {
  const parents = new Map<string, string>()
  const rootOf = (name: string): string => {
    let root = name
    for (let next = parents.get(root); next !== undefined; next = parents.get(root)) root = next
    // Whoever asks again has a short way: without it, long chains make this quadratic.
    for (let at = name; at !== root; ) {
      const next = parents.get(at) ?? root
      parents.set(at, root)
      at = next
    }
    return root
  }
  for (const [a, b] of links) {
    const [first, second] = [rootOf(a), rootOf(b)]
    if (first !== second) parents.set(first, second)
  }
  return rootOf
}
