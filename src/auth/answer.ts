// The answer of one of the gateway's own URLs: JSON that no cache keeps, with the cookies that go with it.

export function answerJson(body: unknown, cookies: readonly string[] = [], status = 200): Response {
  const answer = Response.json(body, { status, headers: { 'Cache-Control': 'no-store' } })
  for (const cookie of cookies) answer.headers.append('Set-Cookie', cookie)
  return answer
}

/** Sends a browser on with GET, after a POST too (RFC 9110 §15.4.4); where it goes learns nothing of the URL that it comes from. */
export function answerRedirect(location: string, cookies: readonly string[], status: 302 | 303 = 303): Response {
  const headers = new Headers({ Location: location, 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' })
  for (const cookie of cookies) headers.append('Set-Cookie', cookie)
  return new Response(null, { status, headers })
}
