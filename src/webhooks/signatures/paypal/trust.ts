import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'

/** Which certificates a signature of PayPal may be checked with. */
export interface CertificateTrust {
  /** Those that PayPal serves its certificates from, by the mode of the endpoint (test: PayPal's sandbox). */
  hosts: Readonly<Record<'live' | 'test', readonly string[]>>
  /** Those that an issuer's certificate may be fetched from where PayPal does not send it along. */
  issuerHosts: readonly string[]
  /** Where a chain may end. Asked for once, when the first certificate comes. */
  roots: () => readonly X509Certificate[]
  /** An operator's own, at most 8: endpoints in test mode take them beside PayPal's. Never fetched. */
  testCertificates: readonly X509Certificate[]
}

/**
 * DigiCert High Assurance EV Root CA, SHA-256 7431E5F4…D3B118CF. Browsers, and with them Node, dropped it in 2026 for its age
 * alone; PayPal's recorded certificates end there, and its SDK for Java trusts nothing else.
 */
const HIGH_ASSURANCE_ROOT = `-----BEGIN CERTIFICATE-----
MIIDxTCCAq2gAwIBAgIQAqxcJmoLQJuPC3nyrkYldzANBgkqhkiG9w0BAQUFADBs
MQswCQYDVQQGEwJVUzEVMBMGA1UEChMMRGlnaUNlcnQgSW5jMRkwFwYDVQQLExB3
d3cuZGlnaWNlcnQuY29tMSswKQYDVQQDEyJEaWdpQ2VydCBIaWdoIEFzc3VyYW5j
ZSBFViBSb290IENBMB4XDTA2MTExMDAwMDAwMFoXDTMxMTExMDAwMDAwMFowbDEL
MAkGA1UEBhMCVVMxFTATBgNVBAoTDERpZ2lDZXJ0IEluYzEZMBcGA1UECxMQd3d3
LmRpZ2ljZXJ0LmNvbTErMCkGA1UEAxMiRGlnaUNlcnQgSGlnaCBBc3N1cmFuY2Ug
RVYgUm9vdCBDQTCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAMbM5XPm
+9S75S0tMqbf5YE/yc0lSbZxKsPVlDRnogocsF9ppkCxxLeyj9CYpKlBWTrT3JTW
PNt0OKRKzE0lgvdKpVMSOO7zSW1xkX5jtqumX8OkhPhPYlG++MXs2ziS4wblCJEM
xChBVfvLWokVfnHoNb9Ncgk9vjo4UFt3MRuNs8ckRZqnrG0AFFoEt7oT61EKmEFB
Ik5lYYeBQVCmeVyJ3hlKV9Uu5l0cUyx+mM0aBhakaHPQNAQTXKFx01p8VdteZOE3
hzBWBOURtCmAEvF5OYiiAhF8J2a3iLd48soKqDirCmTCv2ZdlYTBoSUeh10aUAsg
EsxBu24LUTi4S8sCAwEAAaNjMGEwDgYDVR0PAQH/BAQDAgGGMA8GA1UdEwEB/wQF
MAMBAf8wHQYDVR0OBBYEFLE+w2kD+L9HAdSYJhoIAu9jZCvDMB8GA1UdIwQYMBaA
FLE+w2kD+L9HAdSYJhoIAu9jZCvDMA0GCSqGSIb3DQEBBQUAA4IBAQAcGgaX3Nec
nzyIZgYIVyHbIUf4KmeqvxgydkAQV8GK83rZEWWONfqe/EW1ntlMMUu4kehDLI6z
eM7b41N5cdblIZQB2lWHmiRk9opmzN6cN82oNLFpmyPInngiK3BD41VHMWEZ71jF
hS9OMPagMRYjyOfiZRYzy78aG6A9+MpeizGLYAiJLQwGXFK3xPkKmNEVX58Svnw2
Yzi9RKR/5CYrCsSXaQ3pjOLAEFe4yHYSkVXySGnYvCoCWw9E1CAx2/S6cCZdkGCe
vEsXCS+0yx5DaMkHJ8HSXPfqIbloEpw8nL+e/IBcm2PN7EeqJSdnoDfzAIJ9VNep
+OkuE6N36B9K
-----END CERTIFICATE-----`

/** What holds in production. */
export const PAYPAL_TRUST: CertificateTrust = {
  hosts: {
    live: ['api.paypal.com', 'api-m.paypal.com'],
    test: ['api.sandbox.paypal.com', 'api-m.sandbox.paypal.com'],
  },
  issuerHosts: ['cacerts.digicert.com'],
  roots: () => [...rootCertificates, HIGH_ASSURANCE_ROOT].map((pem) => new X509Certificate(pem)),
  testCertificates: [],
}

/** RSA with 2048 bits: stands in where no certificate was found, so that the work is the same. */
export const DECOY_KEY = new X509Certificate(HIGH_ASSURANCE_ROOT).publicKey
