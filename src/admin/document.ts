// The OpenAPI 3.1 document of the admin API, made of its table of operations.

import type { Config } from '../config/config.ts'
import type { JsonObject } from '../json.ts'
import type { Operation } from './operation.ts'

export function describeApi({ issuer, authPath }: Config, operations: readonly Operation[]): JsonObject {
  const paths = new Set(operations.map(({ path }) => path))
  return {
    openapi: '3.1.0',
    info: { title: 'Gatehouse admin API', version: '1' },
    servers: [{ url: `${issuer}${authPath}/admin` }],
    security: [{ bearer: [] }],
    paths: Object.fromEntries([...paths].map((path) => [templateOf(path), describePath(operations, path)])),
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: BEARER },
      },
      responses: { Problem: PROBLEM },
    },
  }
}

const BEARER = [
  'An access token that was minted with the scope gatehouse:admin: the sign-in, or the client, asked for it by name.',
  'Every method but GET needs a recent sign-in, else 401 insufficient_user_authentication with max_age (RFC 9470).',
].join(' ')

/** RFC 9457. */
const PROBLEM: JsonObject = {
  description: 'Refused; `code` tells why.',
  content: {
    'application/problem+json': {
      schema: {
        type: 'object',
        properties: {
          type: { type: 'string' },
          title: { type: 'string' },
          status: { type: 'integer' },
          code: { type: 'string' },
          request_id: { type: 'string' },
          detail: { type: 'string', description: 'invalid_request, conflict: what is wrong' },
          taken: { type: 'array', items: { type: 'string' }, description: 'conflict: which members are taken' },
          missing: { type: 'array', items: { type: 'string' }, description: 'insufficient_scope' },
          max_age: { type: 'integer', description: 'insufficient_user_authentication: seconds since the sign-in' },
        },
        required: ['type', 'title', 'status', 'code', 'request_id'],
        additionalProperties: false,
      },
    },
  },
}

/** `/users/:id` is `/users/{id}`. */
function templateOf(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}')
}

function describePath(operations: readonly Operation[], path: string): JsonObject {
  const ofPath = operations.filter((operation) => operation.path === path)
  return Object.fromEntries(ofPath.map(({ method, document }) => [method.toLowerCase(), document]))
}
