// What DESIGN §5.8 and §5.9 ask of any request's headers, as short as it can be written.

const REMOVED =
  /^(?:authorization|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|host|content-length|forwarded|x-real-ip|x-request-id|(?:proxy|x-forwarded|x-original|x-rewrite|cf|gatehouse)-.*)$/
const CONTROL_CHARACTER = /[[\p{Cc}&&\p{ASCII}]--\t]/v
const TIME_LIMIT_MS = 30_000
/** As long as the bench's own. */
const IDENTITY = {
  'Gatehouse-Subject': 'usr_0000000000000000000001',
  'Gatehouse-Issuer': 'https://gateway.test',
  'Gatehouse-Session': 'ses_0000000000000000000001',
  'Gatehouse-Scope': 'orders:read orders:write',
  'Gatehouse-Roles': 'staff',
  'Gatehouse-Assertion': 'x'.repeat(620),
} as const

const INIT = { method: 'GET', redirect: 'manual', cache: 'no-store' } as const

/** What a client's headers say that is not handed on. */
export interface Client {
  address: string
  host: string
  authorization: string
}

/** The client's headers that an upstream may see, and what the others say. */
export function readHeaders(request: Request): { readonly client: Client; readonly passed: Record<string, string> } {
  const passed: Record<string, string> = {}
  const client = { address: '', host: '', authorization: '' }
  request.headers.forEach((value, name) => {
    if (CONTROL_CHARACTER.test(value)) throw new TypeError('control character')
    if (name === 'cf-connecting-ip') client.address = value
    else if (name === 'host') client.host = value
    else if (name === 'authorization') client.authorization = value
    if (!REMOVED.test(name)) passed[name] = value
  })
  return { client, passed }
}

/** Sends them on, with what an upstream is told of the request and of an identity. */
export async function forward(url: string, { client, passed }: ReturnType<typeof readHeaders>): Promise<Response> {
  passed['X-Forwarded-For'] = client.address
  passed['X-Forwarded-Host'] = client.host
  passed['X-Forwarded-Proto'] = 'https'
  passed['X-Request-Id'] = crypto.randomUUID()
  const headers = Object.assign(passed, IDENTITY)
  return receive(await inTime(fetch(url, { ...INIT, headers })))
}

function inTime(answer: Promise<Response>): Promise<Response> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('time limit')), TIME_LIMIT_MS)
    function keep(response: Response): void {
      clearTimeout(timer)
      resolve(response)
    }
    answer.then(keep, reject)
  })
}

function receive(answer: Response): Response {
  const removed = [...answer.headers.keys()].filter((name) => /^(?:gatehouse|proxy)-/.test(name))
  if (removed.length === 0) return answer
  const copy = new Response(answer.body, answer)
  for (const name of removed) copy.headers.delete(name)
  return copy
}
