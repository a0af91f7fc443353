// What DESIGN §5.8 and §5.9 ask of any request's headers, as short as it can be written, and nothing else: nobody is asked who
// he is. What this costs more than a pass-through, no gateway of this design can do without.

interface Env {
  readonly UPSTREAM: string
}

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

export default {
  fetch: async (request, { UPSTREAM }) => {
    const { url } = request
    const path = url.slice(url.indexOf('/', 8))
    const answer = await inTime(fetch(UPSTREAM + path, { ...INIT, headers: headersFor(request) }))
    return passed(answer)
  },
} satisfies ExportedHandler<Env>

const INIT = { method: 'GET', redirect: 'manual', cache: 'no-store' } as const

function headersFor(request: Request): HeadersInit {
  const headers: Record<string, string> = {}
  const about = { address: '', host: '' }
  request.headers.forEach((value, name) => {
    if (CONTROL_CHARACTER.test(value)) throw new TypeError('control character')
    if (name === 'cf-connecting-ip') about.address = value
    if (name === 'host') about.host = value
    if (!REMOVED.test(name)) headers[name] = value
  })
  headers['X-Forwarded-For'] = about.address
  headers['X-Forwarded-Host'] = about.host
  headers['X-Forwarded-Proto'] = 'https'
  headers['X-Request-Id'] = crypto.randomUUID()
  return Object.assign(headers, IDENTITY)
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

function passed(answer: Response): Response {
  const removed = [...answer.headers.keys()].filter((name) => /^(?:gatehouse|proxy)-/.test(name))
  if (removed.length === 0) return answer
  const copy = new Response(answer.body, answer)
  for (const name of removed) copy.headers.delete(name)
  return copy
}
