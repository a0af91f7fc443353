// Scopes that the gateway itself obeys: which they are, and which of a user's scopes a session has.

/** Opens the console and the admin API. */
export const ADMIN_SCOPE = 'gatehouse:admin'

/** In any case, because an upstream may compare scopes without regard to it. */
export function isGatewayScope(scope: string): boolean {
  return /^gatehouse:/i.test(scope)
}

/**
 * The scopes of a session: of those that its user holds now, the ones that its sign-in asked for; where it asked for none,
 * all but the gateway's own. Every token of a session and every answer about it has these.
 */
export function scopesOfSession(asked: readonly string[] | null, held: readonly string[]): readonly string[] {
  return held.filter((scope) => (asked === null ? !isGatewayScope(scope) : asked.includes(scope)))
}

/** A scope that `isGatewayScope` names, in SQL: the `value` of `json_each`. */
export const IS_GATEWAY_SCOPE = `lower(substr(value, 1, 10)) = 'gatehouse:'`
