import { type ClientRequest, get as getHttp, type IncomingMessage, type RequestOptions } from 'node:http'
import { get as getHttps } from 'node:https'

/** A certificate with its issuers has some 8 KB. */
const MAX_BYTES = 65_536

/** What lies at an address: the status, and the body where that is 200. */
export type Download = (url: URL, signal: AbortSignal) => Promise<{ status: number; body: Buffer }>

/**
 * One GET, without redirects, proxies, cookies or compression, of at most 64 KiB. Certificates of https hosts are always
 * checked, whatever NODE_TLS_REJECT_UNAUTHORIZED says. Rejects when there is no whole answer.
 */
export const download: Download = (url, signal) =>
  new Promise((resolve, reject) => {
    const options: RequestOptions & { rejectUnauthorized: boolean } = {
      agent: false,
      signal,
      rejectUnauthorized: true,
      headers: { Accept: '*/*' },
    }
    const onAnswer = (answer: IncomingMessage) => {
      const chunks: Buffer[] = []
      let length = 0
      answer.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > MAX_BYTES) request.destroy(new Error(`more than ${MAX_BYTES} bytes`))
        else chunks.push(chunk)
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }))
      answer.on('error', reject)
    }
    const request: ClientRequest =
      url.protocol === 'https:' ? getHttps(url, options, onAnswer) : getHttp(url, options, onAnswer)
    request.on('error', reject)
  })
