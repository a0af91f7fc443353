// What the Workers in Hono have in common: they forward what they let pass as plainly as it can be done.

import type { Context } from 'hono'
import { proxy } from 'hono/proxy'

export interface Setting<Variables> {
  readonly Bindings: Variables & { readonly UPSTREAM: string }
}

export function pass({ env, req }: Context<Setting<object>>): Promise<Response> {
  return proxy(env.UPSTREAM + req.path, req.raw)
}

/** Made at the first request, as it would be at the top of a module whose configuration is code. */
export function once<Env, Made>(make: (env: Env) => Made): (env: Env) => Made {
  const made: Made[] = []
  return (env) => {
    const [first = make(env)] = made
    made[0] = first
    return first
  }
}
