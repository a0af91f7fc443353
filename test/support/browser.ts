// A browser as far as signing in needs one: it keeps cookies, and says where its requests come from.

export interface Browser {
  /** Shows a page: from the provider's site where it comes back from there, else from the address bar. */
  readonly open: (url: string) => Promise<Response>
  /** Sends a form of the gateway's own page. */
  readonly submit: (path: string, fields?: Readonly<Record<string, string>>) => Promise<Response>
  /** By name. */
  readonly cookies: Map<string, string>
}

type Send = (
  path: string,
  init: { method?: string; headers: Record<string, string>; body?: string },
) => Promise<Response>

/** `send` takes paths of the gateway, or whole URLs. */
export function createBrowser(send: Send): Browser {
  const cookies = new Map<string, string>()

  async function request(url: string, init: { method?: string; headers?: Record<string, string>; body?: string }) {
    const Cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const headers = { ...init.headers, ...(Cookie === '' ? {} : { Cookie }) }
    const response = await send(url, { ...init, headers })
    for (const line of response.headers.getSetCookie()) keep(cookies, line)
    return response
  }

  return {
    cookies,
    open: (url) => {
      const site = url.includes('/callback?') ? 'cross-site' : 'none'
      return request(url, { headers: { 'Sec-Fetch-Site': site, 'Sec-Fetch-Mode': 'navigate' } })
    },
    submit: (path, fields = {}) =>
      request(path, {
        method: 'POST',
        headers: { 'Sec-Fetch-Site': 'same-origin', 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(fields).toString(),
      }),
  }
}

function keep(cookies: Map<string, string>, line: string): void {
  const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
  if (/; Max-Age=0(?:;|$)/.test(line)) cookies.delete(name)
  else cookies.set(name, value)
}
