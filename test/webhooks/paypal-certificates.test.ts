import { X509Certificate } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { CertificateAsker } from '../../src/context.ts'
import { createPaypalCertificates } from '../../src/webhooks/signatures/paypal/certificates.ts'
import { type Download, download } from '../../src/webhooks/signatures/paypal/download.ts'
import { type CertificateTrust, PAYPAL_TRUST } from '../../src/webhooks/signatures/paypal/trust.ts'
import { type CertificateRequest, type IssuedCertificate, issueCertificate } from '../support/certificates.ts'
import { DAY } from '../support/given.ts'

const CN = 'messageverificationcerts.paypal.com'
const URL_LIVE = 'https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270'
const URL_TEST = URL_LIVE.replace('api.', 'api.sandbox.')
const NOW = new Date()
const log = pino({ level: 'silent' })

const root = issueCertificate({ commonName: 'Test Root', isCa: true })
const intermediate = issueCertificate({ commonName: 'Test Intermediate', isCa: true, issuer: root })
const good = issueCertificate({ commonName: CN, issuer: root })

/** What is served: by address, the bytes or a status. */
type Served = Record<string, string | Buffer | number | Error>

function certificates(served: Served, trust: Partial<CertificateTrust> = {}) {
  const downloads: string[] = []
  const fetchServed: Download = async ({ href }) => {
    downloads.push(href)
    const answer = served[href] ?? 404
    if (answer instanceof Error) throw answer
    if (typeof answer === 'number') return { status: answer, body: Buffer.alloc(0) }
    return { status: 200, body: Buffer.from(answer as string) }
  }
  const roots = () => [new X509Certificate(root.pem)]
  const store = createPaypalCertificates({ trust: { ...PAYPAL_TRUST, roots, ...trust }, download: fetchServed, log })
  return { ...store, downloads }
}

const keyOf = ({ pem }: IssuedCertificate) => new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'pem' })

function askerOf(mode: 'live' | 'test' | null, endpointId = 'an endpoint'): CertificateAsker | null {
  return mode === null ? null : { endpointId, mode }
}

/** The keys that are found, as text. */
async function found(
  store: ReturnType<typeof certificates>,
  url: string | undefined = URL_LIVE,
  mode: 'live' | 'test' | null = 'live',
  now = NOW,
) {
  const keys = await store.find(url, askerOf(mode), now)
  return keys.map((key) => key.export({ type: 'spki', format: 'pem' }))
}

afterEach(() => void vi.restoreAllMocks())

describe('where a certificate may lie', () => {
  const path = '/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270'

  test.each([
    ...['api.paypal.com', 'api-m.paypal.com'].map((host) => ['live', host] as const),
    ...['api.sandbox.paypal.com', 'api-m.sandbox.paypal.com'].map((host) => ['test', host] as const),
  ])('%s: %s, and not for the other mode', async (mode, host) => {
    const url = `https://${host}${path}`
    const store = certificates({ [url]: good.pem })
    expect(await found(store, url, mode === 'live' ? 'test' : 'live')).toEqual([])
    expect(store.downloads).toEqual([])
    expect(await found(store, url, mode)).toEqual([keyOf(good)])
  })

  const refused: Record<string, string> = {
    'no https': `http://api.paypal.com${path}`,
    'another scheme': `ftp://api.paypal.com${path}`,
    'a file': 'file:///etc/ssl/certs/CERT-1.pem',
    'no scheme': `//api.paypal.com${path}`,
    'a port': `https://api.paypal.com:8443${path}`,
    'the usual port': `https://api.paypal.com:443${path}`,
    'an empty port': `https://api.paypal.com:${path}`,
    'a user': `https://user@api.paypal.com${path}`,
    'a user that looks like the host': `https://api.paypal.com@evil.example${path}`,
    'a password': `https://user:secret@api.paypal.com${path}`,
    'a look-alike': `https://api.paypal.com.evil.example${path}`,
    'a look-alike before it': `https://evil-api.paypal.com${path}`,
    'another host of PayPal': `https://www.paypal.com${path}`,
    'the domain alone': `https://paypal.com${path}`,
    'a host in another case': `https://API.paypal.com${path}`,
    'a trailing dot': `https://api.paypal.com.${path}`,
    'a homoglyph': `https://api.p\u0430ypal.com${path}`,
    punycode: `https://xn--api-pypal-8fg.com${path}`,
    'the metadata service': `http://169.254.169.254${path}`,
    'the metadata service by https': `https://169.254.169.254${path}`,
    loopback: `https://127.0.0.1${path}`,
    'loopback by name': `https://localhost${path}`,
    'loopback as a number': `https://2130706433${path}`,
    IPv6: `https://[::1]${path}`,
    'a backslash': `https://api.paypal.com\\@evil.example${path}`,
    'a query': `https://api.paypal.com${path}?next=https://evil.example`,
    'an empty query': `https://api.paypal.com${path}?`,
    'a fragment': `https://api.paypal.com${path}#fragment`,
    'a path that climbs': `https://api.paypal.com/v1/notifications/certs/../../CERT-1`,
    'a path that climbs, escaped': `https://api.paypal.com/v1/notifications/certs/%2e%2e/CERT-1`,
    'another path': 'https://api.paypal.com/v1/oauth2/CERT-1',
    'a path below it': `https://api.paypal.com${path}/more`,
    'a double slash': `https://api.paypal.com/${path}`,
    'an escape': 'https://api.paypal.com/v1/notifications/certs/CERT-%31',
    'no name': 'https://api.paypal.com/v1/notifications/certs/CERT-',
    'another name': 'https://api.paypal.com/v1/notifications/certs/evil.pem',
    'a space before it': ` https://api.paypal.com${path}`,
    'a line break in it': `https://api.paypal.com/v1/\nnotifications/certs/CERT-1`,
    'a line break after it': `https://api.paypal.com${path}\n`,
    'two of them, as Node joins them': `https://api.paypal.com${path}, https://api.paypal.com${path}`,
    'a long one': `https://api.paypal.com/v1/notifications/certs/CERT-${'a'.repeat(1_000)}`,
    nothing: '',
  }

  test('everything else is refused, and nothing goes out', async () => {
    const sockets: unknown[] = []
    const count = (socket: unknown) => sockets.push(socket)
    subscribe('net.client.socket', count)
    onTestFinished(() => void unsubscribe('net.client.socket', count))
    const store = createPaypalCertificates({ trust: PAYPAL_TRUST, download, log })
    for (const [name, url] of Object.entries(refused)) {
      for (const mode of ['live', 'test', null] as const) {
        expect(await store.find(url, askerOf(mode), NOW), `${name}, ${mode}`).toEqual([])
      }
    }
    expect(await store.find(undefined, askerOf('live'), NOW)).toEqual([])
    expect(sockets).toEqual([])
  })
})

describe('which certificates are trusted', () => {
  const issue = (request: Partial<CertificateRequest>) => issueCertificate({ commonName: CN, issuer: root, ...request })
  const dates = (fromDays: number, toDays: number) => ({
    validFrom: new Date(NOW.getTime() + fromDays * DAY),
    validTo: new Date(NOW.getTime() + toDays * DAY),
  })

  test('one that a root issued', async () => {
    expect(await found(certificates({ [URL_LIVE]: good.pem }))).toEqual([keyOf(good)])
  })

  test('one whose issuer comes along', async () => {
    const leaf = issue({ issuer: intermediate })
    expect(await found(certificates({ [URL_LIVE]: leaf.pem + intermediate.pem }))).toEqual([keyOf(leaf)])
  })

  test('one whose issuer lies where it says, at a known host; in DER', async () => {
    const issuerUrl = 'http://cacerts.digicert.com/TestIntermediate.crt'
    const leaf = issue({ issuer: intermediate, issuerUrl })
    const store = certificates({ [URL_LIVE]: leaf.pem, [issuerUrl]: intermediate.der })
    expect(await found(store)).toEqual([keyOf(leaf)])
    expect(store.downloads).toEqual([URL_LIVE, issuerUrl])
  })

  test.each([
    'http://evil.example/TestIntermediate.crt',
    'http://cacerts.digicert.com:8080/TestIntermediate.crt',
    'http://user@cacerts.digicert.com/TestIntermediate.crt',
    'http://cacerts.digicert.com/a/../TestIntermediate.crt?x=1',
    'ldap://cacerts.digicert.com/TestIntermediate.crt',
  ])('none whose issuer lies at %s, which is not asked', async (issuerUrl) => {
    const leaf = issue({ issuer: intermediate, issuerUrl })
    const store = certificates({ [URL_LIVE]: leaf.pem, [issuerUrl]: intermediate.der })
    expect(await found(store)).toEqual([])
    expect(store.downloads).toEqual([URL_LIVE])
  })

  const otherRoot = issueCertificate({ commonName: 'Test Root', isCa: true })
  const forEmail = issueCertificate({ commonName: 'E-mail', isCa: true, issuer: root, uses: ['emailProtection'] })
  const noCa = issueCertificate({ commonName: 'messageverificationcerts.paypal.com', issuer: root })
  test.each<[string, () => string | Buffer]>([
    ['signs itself', () => issueCertificate({ commonName: CN }).pem],
    ['was issued by a root of the same name', () => issue({ issuer: otherRoot }).pem],
    ['comes with that root', () => issue({ issuer: otherRoot }).pem + otherRoot.pem],
    ['was issued by a certificate that may not issue', () => issue({ issuer: noCa }).pem + noCa.pem],
    ['is called otherwise', () => issue({ commonName: 'api.paypal.com' }).pem],
    ['is called almost so', () => issue({ commonName: 'messageverificationcerts.paypal.com.evil.example' }).pem],
    ['ends almost so', () => issue({ commonName: 'messageverificationcerts.evilpaypal.com' }).pem],
    ['begins almost so', () => issue({ commonName: 'messageverificationcertsX.paypal.com' }).pem],
    ['has the name in another field', () => issue({ commonName: `x, CN=${CN}` }).pem],
    ['has the name in another line', () => issue({ commonName: `x\nCN=${CN}` }).pem],
    ['has an elliptic key', () => issue({ key: 'ec' }).pem],
    ['has a short key', () => issue({ key: 'short rsa' }).pem],
    ['is no certificate', () => 'not a certificate'],
    ['is a broken one', () => good.pem.replace('MII', 'MIJ')],
    ['is empty', () => ''],
    ['may issue others itself', () => issue({ isCa: true }).pem],
    ['is for signing code', () => issue({ uses: ['codeSigning'] }).pem],
    ['is for clients alone', () => issue({ uses: ['clientAuth'] }).pem],
    ['was issued by a certificate for e-mail', () => issue({ issuer: forEmail }).pem + forEmail.pem],
    ['stands behind another one', () => issue({ commonName: 'other.example' }).pem + good.pem],
  ])('none that %s', async (_, make) => {
    expect(await found(certificates({ [URL_LIVE]: make() }))).toEqual([])
  })

  const longer = 'X'.repeat(200)
  test.each<[string, (number | undefined)[], boolean]>([
    ['a root that allows one issuer below it', [1, 0], true],
    ['a root that allows none', [0, undefined], false],
    ['an issuer that allows none below it', [undefined, 0, undefined], false],
    ['an issuer that allows one below it', [undefined, 1, 0], true],
    ['issuers that say nothing', [undefined, undefined, undefined], true],
  ])('a chain by %s: %j', async (_, lengths, expected) => {
    const issuers: IssuedCertificate[] = []
    for (const [index, pathLength] of lengths.entries()) {
      const issuer = issuers.at(-1)
      // A long name has a length of two bytes, as most real certificates do.
      const request = { commonName: `Issuer ${index} ${longer}`, isCa: true, uses: ['serverAuth' as const] }
      issuers.push(
        issueCertificate({ ...request, ...(pathLength !== undefined && { pathLength }), ...(issuer && { issuer }) }),
      )
    }
    const [top, ...between] = issuers as [IssuedCertificate, ...IssuedCertificate[]]
    const leaf = issue({ issuer: between.at(-1) ?? top, uses: ['serverAuth', 'clientAuth'] })
    const served = [leaf, ...between].map(({ pem }) => pem).join('')
    const store = certificates({ [URL_LIVE]: served }, { roots: () => [new X509Certificate(top.pem)] })
    expect(await found(store)).toEqual(expected ? [keyOf(leaf)] : [])
  })

  test.each<[string, Partial<CertificateRequest>, number, boolean]>([
    ['in date', dates(-1, 1), 0, true],
    ['out of date', dates(-2, -1), 0, false],
    ['not in date yet', dates(1, 2), 0, false],
    ['in date when the delivery comes, and not now', dates(-20, -10), -15, true],
  ])('%s: %s', async (_, request, days, expected) => {
    const at = new Date(NOW.getTime() + days * DAY)
    const issuer = issueCertificate({ commonName: 'Wide Root', isCa: true, ...dates(-100, 100) })
    const own = issueCertificate({ commonName: CN, issuer, ...request })
    const roots = () => [issuer, root].map(({ pem }) => new X509Certificate(pem))
    const keys = await found(certificates({ [URL_LIVE]: own.pem }, { roots }), URL_LIVE, 'live', at)
    expect(keys).toEqual(expected ? [keyOf(own)] : [])
  })

  test('none whose issuer is out of date', async () => {
    const old = issueCertificate({ commonName: 'Old', isCa: true, issuer: root, ...dates(-20, -10) })
    const leaf = issue({ issuer: old })
    const store = certificates({ [URL_LIVE]: leaf.pem + old.pem })
    expect(await found(store)).toEqual([])
  })

  test('in production: those of the public roots', () => {
    const subjects = PAYPAL_TRUST.roots().map(({ subject }) => subject)
    expect(subjects.length).toBeGreaterThan(50)
    for (const name of ['DigiCert High Assurance EV Root CA', 'DigiCert Global Root G2']) {
      expect(subjects.filter((subject) => subject.includes(`CN=${name}`))).toHaveLength(1)
    }
    const [high] = PAYPAL_TRUST.roots().filter(({ subject }) => subject.includes('High Assurance EV'))
    expect(high?.fingerprint256).toMatch(/^74:31:E5:F4:.*:D3:B1:18:CF$/)
  })
})

describe("an operator's own certificates", () => {
  const own = issueCertificate({ commonName: 'messageverificationcerts.sandbox.paypal.com' })
  const trust = { testCertificates: [new X509Certificate(own.pem)] }
  const anywhere = 'http://127.0.0.1:4199/v1/notifications/certs/CERT-1-2-3'

  test('are taken in test mode, wherever they are said to lie, and never fetched', async () => {
    const store = certificates({}, trust)
    expect(await found(store, anywhere, 'test')).toEqual([keyOf(own)])
    expect(store.downloads).toEqual([])
  })

  test('count for nothing in live mode, and where there is no endpoint', async () => {
    const store = certificates({}, trust)
    for (const url of [anywhere, URL_LIVE]) expect(await found(store, url, 'live')).toEqual([])
    expect(await found(store, anywhere, null)).toEqual([])
  })

  test("leave PayPal's as they are", async () => {
    const store = certificates({ [URL_TEST]: good.pem }, trust)
    expect(await found(store, URL_TEST, 'test')).toEqual([keyOf(good)])
  })

  test('must be called as those of PayPal, and be in date', async () => {
    const named = issueCertificate({ commonName: 'simulator.example' })
    expect(
      await found(certificates({}, { testCertificates: [new X509Certificate(named.pem)] }), anywhere, 'test'),
    ).toEqual([])
    const later = new Date(NOW.getTime() + 400 * DAY)
    expect(await found(certificates({}, trust), anywhere, 'test', later)).toEqual([])
  })
})

describe('what is remembered', () => {
  function timeTravel(): (ms: number) => void {
    const real = performance.now.bind(performance)
    let offset = 0
    vi.spyOn(performance, 'now').mockImplementation(() => real() + offset)
    return (ms) => {
      offset += ms
    }
  }

  test('two deliveries, one fetch; ten at once, too; for a day', async () => {
    const travel = timeTravel()
    const store = certificates({ [URL_LIVE]: good.pem })
    const keys = await Promise.all(Array.from({ length: 10 }, () => found(store)))
    expect(keys).toEqual(Array(10).fill([keyOf(good)]))
    await found(store)
    travel(DAY - 60_000)
    expect(await found(store)).toEqual([keyOf(good)])
    expect(store.downloads).toEqual([URL_LIVE])
    travel(60_001)
    expect(await found(store)).toEqual([keyOf(good)])
    expect(store.downloads).toHaveLength(2)
  })

  test('a refusal for a minute, a failure for seconds', async () => {
    const travel = timeTravel()
    const served: Served = { [URL_LIVE]: 404, [URL_TEST]: new Error('no answer') }
    const store = certificates(served)
    for (let i = 0; i < 3; i++) expect(await found(store)).toEqual([])
    for (let i = 0; i < 3; i++) {
      await expect(found(store, URL_TEST, 'test')).rejects.toMatchObject({ code: 'service_unavailable' })
    }
    expect(store.downloads).toEqual([URL_LIVE, URL_TEST])
    Object.assign(served, { [URL_LIVE]: good.pem, [URL_TEST]: good.pem })
    travel(5_001)
    expect(await found(store, URL_TEST, 'test')).toEqual([keyOf(good)])
    expect(await found(store)).toEqual([])
    travel(55_000)
    expect(await found(store)).toEqual([keyOf(good)])
  })

  test.each([500, 503, 429])('an answer of %i is a failure', async (status) => {
    await expect(found(certificates({ [URL_LIVE]: status }))).rejects.toMatchObject({ code: 'service_unavailable' })
  })

  test('nothing is fetched where there is no endpoint; what is known is used', async () => {
    const store = certificates({ [URL_LIVE]: good.pem })
    expect(await found(store, URL_LIVE, null)).toEqual([])
    expect(store.downloads).toEqual([])
    await found(store)
    expect(await found(store, URL_LIVE, null)).toEqual([keyOf(good)])
  })

  test("one endpoint's made-up addresses take nothing from another's budget", async () => {
    const store = certificates({ [URL_LIVE]: good.pem })
    const madeUp = async (number: number) =>
      store.find(`https://api.paypal.com/v1/notifications/certs/CERT-${number}`, askerOf('live', 'attacked'), NOW)
    for (let i = 0; i < 30; i++) expect(await madeUp(i)).toEqual([])
    await expect(madeUp(30)).rejects.toMatchObject({ code: 'service_unavailable' })
    await expect(store.find(URL_LIVE, askerOf('live', 'attacked'), NOW)).rejects.toThrow()
    expect(await store.find(URL_LIVE, askerOf('live', 'of another tenant'), NOW)).toHaveLength(1)
  })

  test.each([
    ['PayPal does not answer', new Error('no answer'), 0],
    ['the budget is used up', good.pem, 30],
  ])('a good one is used beyond its day when %s, as long as it is in date', async (_, answer, madeUp) => {
    const travel = timeTravel()
    const served: Served = { [URL_LIVE]: good.pem }
    const store = certificates(served)
    await found(store)
    travel(DAY + 1)
    served[URL_LIVE] = answer
    for (let i = 0; i < madeUp; i++) await found(store, `https://api.paypal.com/v1/notifications/certs/CERT-${i}`)
    expect(await found(store)).toEqual([keyOf(good)])
    expect(await found(store, URL_LIVE, 'live', new Date(NOW.getTime() + 366 * DAY))).toEqual([])
  })

  test('made-up addresses cost 30 fetches a minute at most, and push nothing out', async () => {
    const travel = timeTravel()
    const store = certificates({ [URL_LIVE]: good.pem })
    await found(store)
    let unavailable = 0
    for (let i = 0; i < 200; i++) {
      const url = `https://api.paypal.com/v1/notifications/certs/CERT-${i}`
      await found(store, url).catch(() => unavailable++)
    }
    expect(store.downloads).toHaveLength(30)
    expect(unavailable).toBe(171)
    expect(await found(store)).toEqual([keyOf(good)])
    travel(60_001)
    await found(store, `https://api.paypal.com/v1/notifications/certs/CERT-9999`)
    expect(store.downloads).toHaveLength(31)
  })
})

describe('a download', () => {
  async function serve(answer: RequestListener, secure?: { key: string; cert: string }): Promise<URL> {
    const server = secure === undefined ? createServer(answer) : createSecureServer(secure, answer)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    return new URL(`${secure === undefined ? 'http' : 'https'}://127.0.0.1:${port}/`)
  }
  const soon = () => AbortSignal.timeout(1_000)

  test('does not follow', async () => {
    const asked: (string | undefined)[] = []
    const url = await serve((request, response) => {
      asked.push(request.url)
      response.writeHead(302, { Location: '/elsewhere' }).end(good.pem)
    })
    expect(await download(url, soon())).toMatchObject({ status: 302 })
    expect(asked).toEqual(['/'])
  })

  test('ends at 64 KiB, whatever the length that is told', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200)
      response.end(Buffer.alloc(65_537))
    })
    await expect(download(url, soon())).rejects.toThrow('more than 65536 bytes')
    const whole = await serve((_, response) => void response.end(Buffer.alloc(65_536)))
    expect((await download(whole, soon())).body).toHaveLength(65_536)
  })

  test('ends in time, while it trickles too', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200).write('-')
      const timer = setInterval(() => response.write('-'), 20)
      response.on('close', () => clearInterval(timer))
    })
    await expect(download(url, AbortSignal.timeout(150))).rejects.toThrow()
  })

  test('trusts no host without a certificate, whatever the environment says', async () => {
    const { pem, privateKey } = issueCertificate({ commonName: '127.0.0.1' })
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    const url = await serve((_, response) => void response.end('?'), { key, cert: pem })
    // Node says once that this is a bad idea.
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    onTestFinished(() => void vi.unstubAllEnvs())
    await expect(download(url, soon())).rejects.toThrow(/self-signed|certificate/)
  })
})
