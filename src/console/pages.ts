// The console: every URL of ADMIN_ORIGIN's host, and the one error boundary there.

import { describeRefusal } from '../boundary.ts'
import { Denial, denialResponse } from '../denial.ts'
import type { DenialCode } from '../denial.ts'
import { isNavigation } from '../navigation.ts'
import { answerErrorPage } from '../pages/error.tsx'
import { answerSeeOther } from '../pages/see-other.ts'
import type { Exchange } from '../runtime.ts'
import { enforceOwnForm, requireAdministrator } from './administrator.ts'
import type { Visit } from './frame.tsx'
import { showOverview } from './overview.tsx'
import { askAgain, isRecent } from './recent.ts'
import { showSignIn, submitSignIn, submitSignOut } from './sign-in.tsx'
import { showTrail } from './trail.tsx'
import { AIM, showUser, submitUser } from './user.tsx'
import { showUsers } from './users.tsx'

/** Answers a URL of the console; `path` is canonical. Nothing else is on its host. */
export async function answerConsole(exchange: Exchange, path: string): Promise<Response> {
  const { head: request, requestId, runtime } = exchange
  try {
    return await answerPage(exchange, path)
  } catch (error) {
    const denial = error instanceof Denial ? error : new Denial('unavailable', { cause: error })
    runtime.log(describeRefusal({ request, requestId }, denial))
    return answerRefused(exchange, path, denial)
  }
}

/** What the pages do with whoever may see them. */
interface Page {
  readonly path: RegExp
  readonly get: (visit: Visit) => Promise<Response>
  readonly post?: (visit: Visit) => Promise<Response>
  /** Members of its form that say what it is about to do, and come back after a sign-in. */
  readonly aim?: readonly string[]
}

const PAGES: readonly Page[] = [
  { path: /^\/$/, get: showOverview },
  { path: /^\/users$/, get: showUsers },
  { path: /^\/users\/([^/]+)$/, get: showUser, post: submitUser, aim: AIM },
  { path: /^\/audit$/, get: showTrail },
]

const SIGN_IN = '/sign-in'
const SIGN_OUT = '/sign-out'

/** What writes comes from our own pages, and whoever may not see the console is not told which URLs it has. */
async function answerPage(exchange: Exchange, path: string): Promise<Response> {
  const { method } = exchange.head
  const reads = method === 'GET' || method === 'HEAD'
  if (!reads) enforceOwnForm(exchange)
  if (path === SIGN_IN && reads) return showSignIn(exchange)
  if (path === SIGN_IN && method === 'POST') return submitSignIn(exchange)
  if (path === SIGN_OUT && method === 'POST') return submitSignOut(exchange)
  const { session, cookies } = await requireAdministrator(exchange)
  const page = PAGES.find((each) => each.path.test(path))
  if (page === undefined) throw new Denial('no_route')
  const segment = decodeURIComponent(page.path.exec(path)?.[1] ?? '')
  const visit = { ...exchange, administrator: session.userId, session, cookies, segment }
  if (reads) return page.get(visit)
  if (method === 'POST' && page.post !== undefined) {
    return isRecent(visit) ? page.post(visit) : askAgain(visit, path, page.aim ?? [])
  }
  const allowed = page.post === undefined ? 'GET, HEAD' : 'GET, HEAD, POST'
  throw new Denial('method_not_allowed', { headers: { Allow: allowed } })
}

const SIGNED_OUT: ReadonlySet<DenialCode> = new Set(['credential_required', 'session_ended'])

/** Whoever is not signed in comes to the sign-in page; nobody is led to another host. */
function answerRefused(exchange: Exchange, path: string, denial: Denial): Promise<Response> | Response {
  const { head, requestId, runtime } = exchange
  if (!isNavigation(head)) return denialResponse(denial, requestId)
  const isSignedOut = SIGNED_OUT.has(denial.code)
  if (isSignedOut && path !== SIGN_IN) return answerSeeOther(SIGN_IN, denial.details.cookies ?? [])
  const config = { issuerHost: runtime.config.console?.host ?? '' }
  const signInUrl = denial.code === 'insufficient_scope' ? SIGN_IN : null
  return answerErrorPage(denial, { requestId, config, signInUrl })
}
