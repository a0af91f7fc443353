// What DESIGN §5.8 and §5.9 ask of any request's headers, and nothing else: nobody is asked who he is. What this costs more than a
// pass-through, no gateway of this design can do without.

import { forward, readHeaders } from './section-five.ts'

interface Env {
  readonly UPSTREAM: string
}

export default {
  fetch: (request, { UPSTREAM }) => {
    const { url } = request
    return forward(UPSTREAM + url.slice(url.indexOf('/', 8)), readHeaders(request))
  },
} satisfies ExportedHandler<Env>
