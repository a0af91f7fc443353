// The Worker beside the gateway: its upstream, which says of sessions what it is told to, and a door to D1, KV and the cron.

/** Host of the upstream; everything else that comes here comes through the door. */
export const UPSTREAM = 'http://upstream.test'

/** A client's `X-Say` becomes the upstream's `Gatehouse-Session`, in what the gateway has told it of the request. */
export const BESIDE = `
function answerAsUpstream(request) {
  const said = request.headers.get('X-Say')
  const control = request.headers.get('Gatehouse-Control')
  const headers = said === null ? {} : { 'Gatehouse-Session': said + ';control="' + control + '"' }
  return new Response('from upstream', { headers })
}

const DOORS = {
  '/sql': async ({ sql, parameters }, { DB }) => (await DB.prepare(sql).bind(...parameters).all()).results,
  '/markers': ({ ids }, { MARKERS }) => Promise.all(ids.map((id) => MARKERS.get('marker:' + id))),
  // A run of long ago: it repairs, and waits for no ticks of its own.
  '/tick': async (_, { GATEWAY }) => {
    const { outcome } = await GATEWAY.scheduled({ cron: '* * * * *', scheduledTime: new Date(0) })
    return outcome
  },
}

export default {
  async fetch(request, env) {
    const { origin, pathname } = new URL(request.url)
    if (origin === '${UPSTREAM}') return answerAsUpstream(request)
    return Response.json(await DOORS[pathname](await request.json(), env))
  },
}
`
