// A receiver of webhooks that believes only what its gateway has signed, and takes each message once.
import { createServer } from 'node:http'

import { Webhook } from 'standardwebhooks'

const port = Number(process.env.PORT ?? 3001)
const webhook = new Webhook(process.env.WEBHOOK_SECRET) // the value of WEBHOOK_<ID>_SECRET, one of them: whsec_…
const seen = new Set() // yours is a table: a message may come again for four days, under the same id

const server = createServer(async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString() // as it came: the signature is over these bytes
  try {
    const { type, data } = webhook.verify(body, request.headers)
    const id = request.headers['webhook-id']
    if (!seen.has(id)) console.log(`${type} ${data.subject}`)
    seen.add(id)
    response.writeHead(204).end()
  } catch {
    response.writeHead(401).end()
  }
})
server.listen(port, '127.0.0.1', () => console.log(`listening on http://localhost:${port}`))
