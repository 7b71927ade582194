import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Certificate, makeCertificate } from './certificate.ts'

export interface CertificateServer extends Certificate {
  /** `http://127.0.0.1:<port>/v1/notifications/certs/CERT-…` */
  url: string
  close: () => Promise<void>
}

const FOLDER = '/v1/notifications/certs/'

/** Where a certificate would be served; port 0 stands for none that is known. */
export function certificateUrl(port: number, { name }: Pick<Certificate, 'name'>): string {
  return `http://127.0.0.1${port === 0 ? '' : `:${port}`}${FOLDER}${name}`
}

/** Serves a certificate on loopback as PayPal serves its own. Port 0: any free one. Rejects when the port is taken. */
export async function serveCertificate(
  port: number,
  certificate: Certificate = makeCertificate(),
): Promise<CertificateServer> {
  const server = createServer((request, response) => {
    if (request.url !== FOLDER + certificate.name) return void response.writeHead(404).end()
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Cache-Control': 'max-age=86400' }).end(certificate.pem)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  // Nobody waits for a certificate once all is sent.
  server.unref()
  return {
    ...certificate,
    url: certificateUrl((server.address() as AddressInfo).port, certificate),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
