// Scopes that the gateway itself obeys: which they are, and which of a user's scopes a session has.

/** Opens the console and the admin API. */
export const ADMIN_SCOPE = 'gatehouse:admin'

/** In any case, because an upstream may compare scopes without regard to it. */
export function isGatewayScope(scope: string): boolean {
  return /^gatehouse:/i.test(scope)
}

/** A scope that `isGatewayScope` names, in SQL: the `value` of `json_each`. */
export const IS_GATEWAY_SCOPE = `lower(substr(value, 1, 10)) = 'gatehouse:'`
