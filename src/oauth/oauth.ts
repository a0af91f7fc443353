// The OAuth endpoints, loaded when the first of them is asked for.

export { introspectToken } from './introspect.ts'
export { showMetadata } from './metadata.ts'
export { revokeToken } from './revoke.ts'
export { issueToken } from './token.ts'
