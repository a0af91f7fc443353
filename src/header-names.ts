// The request headers that only the gateway may send upstream, and the fold by which servers compare header names.

/**
 * A header name as CGI, FastCGI, SCGI and WSGI servers read it: without case, every byte that is not a letter or digit
 * alike (RFC 3875 §4.1.18, and what servers made of it). Two names with one folded form are one variable there.
 */
export function foldHeaderName(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')
}

/** True for a header name of RFC 9110 §5.6.2. */
export function isToken(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)
}

/** True for a lower-case name that every server reads alike. Any other goes upstream only where a route allows it. */
export function isPlainName(name: string): boolean {
  return /^[a-z0-9-]+$/.test(name)
}

/**
 * True for a folded name that the gateway sets or removes itself: hop-by-hop headers (RFC 9110 §7.6.1), what a gateway
 * says of a client, and what servers and frameworks believe by convention. Remembered by name: requests repeat them.
 */
export function isProtectedName(folded: string): boolean {
  const known = verdicts.get(folded)
  if (known !== undefined) return known
  if (verdicts.size >= MAX_VERDICTS) verdicts.clear()
  const verdict = PROTECTED.has(folded) || PROTECTED_PREFIX.test(folded)
  verdicts.set(folded, verdict)
  return verdict
}

const verdicts = new Map<string, boolean>()
const MAX_VERDICTS = 500

/**
 * `Proxy` is what CGI turns into `HTTP_PROXY` (CVE-2016-5385). `Host` and `Content-Length` follow from the URL and the body
 * that are forwarded. `Set-Cookie` has no meaning in a request (RFC 6265 §4.1), and its lines cannot be joined; `__proto__`
 * is a name that no record can hold.
 */
const PROTECTED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host',
  'content-length',
  'set-cookie',
  'proxy',
  '--proto--',
  // The client's address, host and scheme.
  'forwarded',
  'client-ip',
  'true-client-ip',
  'x-client-ip',
  'x-client-port',
  'x-cluster-client-ip',
  'x-originating-ip',
  'x-proxyuser-ip',
  'fastly-client-ip',
  'wl-proxy-client-ip',
  'remote-addr',
  'remote-host',
  'x-host',
  'x-http-host-override',
  'x-host-override',
  'x-url-scheme',
  'x-scheme',
  'front-end-https',
  'x-request-id',
  'x-azure-clientip',
  'x-azure-socketip',
  'x-envoy-external-address',
  // The user.
  'remote-user',
  'remote-ident',
  'auth-type',
  'x-client-dn',
  'x-client-verify',
  'x-goog-iap-jwt-assertion',
  // The method, and the path below which an application believes that it is mounted.
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-http-path-override',
  'x-override-url',
  'script-name',
  'x-script-name',
  'path-info',
  'request-uri',
  'x-matched-path',
  'x-now-route-matches',
])

const PROTECTED_PREFIX = new RegExp(
  `^(?:${[
    'gatehouse-',
    'proxy-',
    'cf-',
    'x-forwarded',
    'x-original',
    'x-rewrite',
    'x-real-',
    'x-remote-',
    'x-auth-request-',
    'x-authenticated-',
    'x-webauth-',
    'x-goog-authenticated-user-',
    'x-ms-client-principal',
    'x-amzn-oidc-',
    'x-amzn-mtls-',
    'x-arr-',
    'x-ssl-',
    'ssl-',
    'x-client-cert',
    'x-accel-',
    'x-sendfile',
    'x-lighttpd-',
    'x-litespeed-',
    'x-middleware-',
    'x-invoke-',
    'x-envoy-original-',
  ].join('|')})`,
)
