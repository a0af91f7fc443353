// RFC 9207: who answered an authorization request.
import { describe, expect, it } from 'vitest'

import { codeOf, createProviderScene, signInBy } from '../support/provider-scene.ts'
import type { Script } from '../support/scripted-provider.ts'

async function outcome(script: Script): Promise<readonly unknown[]> {
  const scene = await createProviderScene()
  scene.provider.behave(script)
  const response = await signInBy(scene)
  const code = response.status === 303 ? 'signed in' : await codeOf(response)
  return [response.status, code, scene.provider.asked.includes('/token')]
}

const MAY_BE_SILENT = { authorization_response_iss_parameter_supported: undefined }
const REFUSED = [400, 'invalid_request', false]

describe('RFC 9207', () => {
  it('§2.4 an `iss` that is the issuer’s passes', async () => {
    expect(await outcome({})).toEqual([303, 'signed in', true])
  })

  it.each(['https://evil.example/', 'HTTPS://EVIL.EXAMPLE', ' '])(
    '§2.4 another `iss`, %j, is refused before the code is sent anywhere',
    async (iss) => {
      expect(await outcome({ callback: { iss } })).toEqual(REFUSED)
      expect(await outcome({ callback: { iss }, metadata: MAY_BE_SILENT })).toEqual(REFUSED)
    },
  )

  it('§2.4 an `iss` is compared byte for byte', async () => {
    const scene = await createProviderScene()
    scene.provider.behave({ callback: { iss: scene.provider.issuer.replace(/\/$/, '') } })
    expect((await signInBy(scene)).status).toBe(400)
  })

  it('§2.4 no `iss` is refused where the metadata says that there always is one (§3)', async () => {
    expect(await outcome({ callback: { iss: undefined } })).toEqual(REFUSED)
    expect(await outcome({ callback: { iss: '' } })).toEqual(REFUSED)
  })

  it('§2.4 no `iss` passes where the metadata says nothing', async () => {
    expect(await outcome({ callback: { iss: undefined }, metadata: MAY_BE_SILENT })).toEqual([303, 'signed in', true])
  })

  it('§2.4 an error of another issuer is refused as such', async () => {
    const callback = { code: undefined, error: 'access_denied', iss: 'https://evil.example/' }
    expect(await outcome({ callback })).toEqual(REFUSED)
  })
})
