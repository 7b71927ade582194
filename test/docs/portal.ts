import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import pino from 'pino'
import type { AppContext } from '../../src/context.ts'
import { closeServer, createServer } from '../../src/http/bind.ts'
import { authenticators, handlers } from '../../src/main/app.ts'

/** The platform's own server on a free port, without a database: what it serves outside the contract needs none. */
export async function startPortal(
  onTestFinished: (clean: () => Promise<void>) => void,
  mockGatewayUrl: string | null = 'http://localhost:4000',
): Promise<string> {
  const log = pino({ level: 'silent' })
  const config = { publicUrl: 'http://127.0.0.1', mockGatewayUrl, ingest: { maxWaiting: 100 } }
  const ctx = { log, clock: () => new Date(), config, db: {}, keys: {} } as unknown as AppContext
  const server = createServer(ctx, { handlers, authenticators })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => closeServer(server, 0))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Values of `href`, `src` and `spec-url`, as a browser reads them. */
export function linksOfHtml(html: string): string[] {
  return [...html.matchAll(/(?:href|src|spec-url)="([^"]*)"/g)].map((match) => unescapeHtml(match[1] as string))
}

/** Targets of Markdown links outside code blocks. */
export function linksOfMarkdown(text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] as string)
}

function unescapeHtml(text: string): string {
  return text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

/** The places in a page that a link can lead to. */
export function anchorsOf(html: string): Set<string> {
  return new Set([...html.matchAll(/ id="([^"]*)"/g)].map((match) => match[1] as string))
}
