// An administrator in front of the console in flow tests, with a browser that keeps its cookie.

import { administrator } from './admin.ts'
import { NAVIGATION } from './visitor.ts'
import type { World, WorldOptions } from './world.ts'
import { cookieHeader, createWorld, insertUser, PASSWORD } from './world.ts'

export const CONSOLE = 'https://admin.example.com'

type Members = Record<string, string>

/** A world with a console and an administrator who has not signed in. */
export async function createConsoleWorld(options: WorldOptions = {}): Promise<World> {
  const world = await createWorld({ ...options, vars: { ADMIN_ORIGIN: CONSOLE, ...options.vars } })
  await insertUser(administrator)
  return world
}

/** Sends a form as a page of the console does. */
export const sendForm = (world: World, path: string, members: Members, headers: Members = {}): Promise<Response> =>
  world.send(`${CONSOLE}${path}`, {
    method: 'POST',
    body: new URLSearchParams(members),
    headers: { ...NAVIGATION, 'Sec-Fetch-Site': 'same-origin', Origin: CONSOLE, ...headers },
  })

export const signInToConsole = (world: World, email = administrator.email, password = PASSWORD): Promise<Response> =>
  sendForm(world, '/sign-in', { email, password })

export interface Operator {
  /** The `Cookie` header of his browser. */
  readonly cookie: string
  readonly see: (path: string, headers?: Members) => Promise<Response>
  readonly send: (path: string, members: Members, headers?: Members) => Promise<Response>
}

/** An administrator who has signed in. */
export async function operate(world: World): Promise<Operator> {
  const cookie = cookieHeader(await signInToConsole(world))
  return {
    cookie,
    see: (path, headers = {}) =>
      world.send(`${CONSOLE}${path}`, { headers: { ...NAVIGATION, Cookie: cookie, ...headers } }),
    send: (path, members, headers = {}) => sendForm(world, path, members, { Cookie: cookie, ...headers }),
  }
}
