// Signatures of tokens: what the algorithms of JWS are to WebCrypto, in one table (RFC 7518 §3, RFC 8037 §3.1, RFC 9864).

/** How WebCrypto is to sign or verify: members that the key itself has not been bound to. */
export type SignatureParameters = Readonly<SubtleCryptoSignAlgorithm>

export interface SignatureAlgorithm {
  /** Which keys it takes, by keyTypeOf. */
  readonly keyType: string
  readonly parameters: SignatureParameters
}

const RSASSA_PKCS1 = { name: 'RSASSA-PKCS1-v1_5' }
const ED25519 = { keyType: 'OKP Ed25519', parameters: { name: 'Ed25519' } }

/** By its name in `alg`. No symmetric algorithm is here, so no `oct` key ever gets in. */
export const ALGORITHMS: ReadonlyMap<string, SignatureAlgorithm> = new Map<string, SignatureAlgorithm>([
  ['RS256', { keyType: 'RSA', parameters: RSASSA_PKCS1 }],
  ['RS384', { keyType: 'RSA', parameters: RSASSA_PKCS1 }],
  ['RS512', { keyType: 'RSA', parameters: RSASSA_PKCS1 }],
  ['PS256', { keyType: 'RSA', parameters: { name: 'RSA-PSS', saltLength: 32 } }],
  ['PS384', { keyType: 'RSA', parameters: { name: 'RSA-PSS', saltLength: 48 } }],
  ['PS512', { keyType: 'RSA', parameters: { name: 'RSA-PSS', saltLength: 64 } }],
  ['ES256', { keyType: 'EC P-256', parameters: { name: 'ECDSA', hash: 'SHA-256' } }],
  ['ES384', { keyType: 'EC P-384', parameters: { name: 'ECDSA', hash: 'SHA-384' } }],
  ['ES512', { keyType: 'EC P-521', parameters: { name: 'ECDSA', hash: 'SHA-512' } }],
  ['EdDSA', ED25519],
  ['Ed25519', ED25519],
])

const ENCODER = new TextEncoder()

/** Of an issuer that shares a secret with the gateway. */
export const HMAC: SignatureParameters = { name: 'HMAC' }

/** The signature over a JWS signing input (RFC 7515 §5.1), as base64url. */
export async function sign(input: string, key: CryptoKey, parameters: SignatureParameters): Promise<string> {
  const signature = await crypto.subtle.sign(parameters, key, ENCODER.encode(input))
  return Buffer.from(signature).toString('base64url')
}

/**
 * True where the signature over a JWS signing input is the key's (RFC 7515 §5.2).
 * Does NOT ask whether the key may be used for it; who imports a key binds it to one algorithm.
 */
export function isSignedBy(
  key: CryptoKey,
  parameters: SignatureParameters,
  input: string,
  signature: Uint8Array,
): Promise<boolean> {
  return crypto.subtle.verify(parameters, key, signature, ENCODER.encode(input))
}
