// A Worker's env that parses, to be changed by one thing at a time.

const live = () => null

/** Bindings as the platform gives them, reduced to what the configuration looks for. */
const bindings = {
  DB: { prepare: live, batch: live },
  MARKERS: { get: live, put: live },
  SIGN_IN_LIMIT: { limit: live },
  API_LIMIT: { limit: live },
  ORDERS: { fetch: live },
}

export const route = { path: '/*', upstream: 'https://origin.example.com' }

export const issuer = { issuer: 'https://idp.example.com/', audience: ['https://api.example.com'] }

export const provider = { id: 'corp', issuer: 'https://login.example.com/', client_id: 'gatehouse' }

export type Env = Readonly<Record<string, unknown>>

/** The smallest whole env, with `changes` on top. */
export function configEnv(changes: Env = {}): Env {
  return { ...bindings, ISSUER: 'https://api.example.com', ROUTES: [route], ...changes }
}
