// Where the OAuth endpoints are.

import type { Config } from '../config/config.ts'

export type Endpoint = 'token' | 'revoke' | 'introspect'

export function urlOf({ issuer, authPath }: Pick<Config, 'issuer' | 'authPath'>, endpoint: Endpoint): string {
  return `${issuer}${authPath}/${endpoint}`
}
