export function readCookie(name: string): string | undefined {
  const found = document.cookie.split('; ').find((pair) => pair.startsWith(`${name}=`))
  return found?.slice(name.length + 1)
}

/** For the whole site, and never sent along with requests that other sites start. 0 seconds: it is deleted. */
export function writeCookie(name: string, value: string, seconds: number, domain: string | undefined): void {
  const where = domain === undefined ? '' : `;domain=${domain}`
  const secure = location.protocol === 'https:' ? ';secure' : ''
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is missing in browsers of 2025, and a page may be left at once
  document.cookie = `${name}=${value};path=/;max-age=${seconds};samesite=lax${where}${secure}`
}
