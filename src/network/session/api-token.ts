import { hkdfSync } from 'node:crypto'
import {
  concatBytes,
  equalBytes,
  isRefusal,
  refuse,
  type Refusal,
  Secret,
  sha256,
  type UnixMs,
  unixMs,
  utf8,
} from '../../foundation/base/index.ts'
import {
  CborReader,
  CborWriter,
  codecErrors,
  type CoseSigner,
  coseVerifierFromSpki,
  encodeCbor,
  signCose1,
  verifyCose1,
} from '../../foundation/codec/index.ts'

/** Life of an API token in milliseconds. @see identity: Tokens */
export const API_TOKEN_LIFE_MS: number = 60 * 60 * 1000
/** Upper bound of a request for a token in bytes. */
export const MAX_TOKEN_REQUEST_BYTES: number = 1024

const HANDLE_BYTES = 16
const SECRET_BYTES = 32
const EXPORTER_BYTES = 32
const GRANT_FIELDS = 4
// A context of its own: no proof of joining, renewal or AUTH is ever good for a token.
const CONTEXT = utf8('kos-api-token-v1')
const SALT = utf8('kos-api-token-secret-v1')

/** The connection on which a token is asked for. */
export interface TokenConnection {
  /** 32 bytes of the TLS exporter. */
  readonly exporter: Uint8Array
  /** SubjectPublicKeyInfo of the client's TLS leaf: the exporter alone does not cover it. */
  readonly leafSpki: Uint8Array
}

/** A token as its owner gets it. */
export interface ApiTokenGrant {
  /** 16 random bytes: names the token, and may be shown. */
  readonly handle: Uint8Array
  /** 32 bytes: keys the signatures of requests, and never travels again. */
  readonly secret: Secret
  readonly expiresAt: UnixMs
  /** The authority's time when it answered: signatures are dated by it. */
  readonly time: UnixMs
}

/**
 * Asks for an API token: a COSE_Sign1 by the identity key over this one connection.
 *
 * @param connection - exporter and own TLS leaf of the connection that it is sent on
 * @param identity - the identity key that the token is bound to
 * @returns the request body
 * @see identity: Tokens
 */
export function signTokenRequest(connection: TokenConnection, identity: CoseSigner): Uint8Array {
  return signCose1({ payload: binding(connection), externalAad: CONTEXT }, identity)
}

/**
 * Checks a request for an API token.
 *
 * @param message - the request body, not trusted
 * @param connection - exporter and the client's TLS leaf of the connection that it came on
 * @param identitySpki - the identity key of the caller, as registered
 * @returns `undefined` when the key signed for this connection, else a refusal KOS_SESSION_TOKEN
 *
 * **Security:** that the leaf is the caller's, valid and not locked is checked before.
 */
export function checkTokenRequest(
  message: Uint8Array,
  connection: TokenConnection,
  identitySpki: Uint8Array,
): Refusal | undefined {
  if (connection.exporter.length !== EXPORTER_BYTES) return refused('exporter')
  const verified = verifyCose1(message, {
    externalAad: CONTEXT,
    verifier: coseVerifierFromSpki(identitySpki),
    maxBytes: MAX_TOKEN_REQUEST_BYTES,
  })
  if (isRefusal(verified)) return refused('identity-signature')
  return equalBytes(verified.payload, binding(connection)) ? undefined : refused('binding')
}

function binding({ exporter, leafSpki }: TokenConnection): Uint8Array {
  return encodeCbor([exporter, sha256(leafSpki)])
}

/**
 * The secret of a token, derived so that none is stored: whoever reads the table of tokens can sign
 * nothing.
 *
 * @param root - 32 secret bytes of the authority
 * @param handle - 16 bytes
 * @param identityKeyHash - SHA-256 of the SPKI that the token is bound to
 * @see RFC 5869
 */
export function apiTokenSecret(
  root: Secret,
  handle: Uint8Array,
  identityKeyHash: Uint8Array,
): Secret {
  const info = concatBytes(handle, identityKeyHash)
  return root.use((key) =>
    Secret.take(new Uint8Array(hkdfSync('sha256', key, SALT, info, SECRET_BYTES))),
  )
}

/** Encodes the answer to a request for a token. */
export function encodeTokenGrant({ handle, secret, expiresAt, time }: ApiTokenGrant): Uint8Array {
  const writer = new CborWriter()
  writer.array(GRANT_FIELDS)
  writer.bytes(handle)
  secret.use((bytes) => writer.bytes(bytes))
  writer.uint(expiresAt)
  writer.uint(time)
  const bytes = writer.take()
  // The writer held the secret of the token: overwrite it.
  writer.raw(new Uint8Array(bytes.length))
  return bytes
}

/**
 * Decodes the answer to a request for a token strictly; `undefined` when it is anything else.
 *
 * @param bytes - the answer, or a kept copy of it
 */
export function decodeTokenGrant(bytes: Uint8Array): ApiTokenGrant | undefined {
  try {
    const reader = new CborReader(bytes)
    if (reader.array() !== GRANT_FIELDS) return undefined
    const handle = Uint8Array.from(reader.bytes())
    const secret = Secret.copy(reader.bytes())
    const expiresAt = unixMs(reader.uint())
    const time = unixMs(reader.uint())
    reader.end()
    if (handle.length !== HANDLE_BYTES || secret.length !== SECRET_BYTES) return undefined
    return { handle, secret, expiresAt, time }
  } catch (error) {
    if (codecErrors.has(error)) return undefined
    throw error
  }
}

function refused(check: string): Refusal {
  return refuse('KOS_SESSION_TOKEN', `token/${check}`)
}
