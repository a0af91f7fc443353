// The answer of one of the gateway's own URLs: JSON that no cache keeps, with the cookies that go with it.

export function answerJson(body: unknown, cookies: readonly string[] = [], status = 200): Response {
  const answer = Response.json(body, { status, headers: { 'Cache-Control': 'no-store' } })
  for (const cookie of cookies) answer.headers.append('Set-Cookie', cookie)
  return answer
}
