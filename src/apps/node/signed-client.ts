import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Clock,
  type Random,
  type Secret,
  type UnixMs,
  unixMs,
} from '../../foundation/base/index.ts'
import {
  CborReader,
  CborWriter,
  codecErrors,
  type CoseSigner,
} from '../../foundation/codec/index.ts'
import {
  decodeTokenGrant,
  encodeTokenGrant,
  requestTarget,
  signRequest,
  signTokenRequest,
} from '../../network/session/index.ts'
import type { AuthorityAnswer, AuthorityClient, RequestBody } from './authority-client.ts'
import { nodeErrors } from './errors.ts'
import { writePrivate } from './object-files.ts'

/** A token is replaced when it has less than this to live. */
const RENEW_BEFORE_MS = 10 * 60 * 1000
const FILE_NAME = 'api-token.cbor'
const MAX_FILE_BYTES = 1024
/** What anybody may ask, or what brings its own proof. */
const UNSIGNED_PATHS: readonly string[] = [
  '/v1/bundle',
  '/v1/health',
  '/v1/join',
  '/v1/join/psk',
  '/v1/login',
  '/v1/raise',
  '/v1/recovery',
  '/v1/renew',
  '/v1/session',
]

/** A token as its owner keeps it. */
export interface KeptToken {
  readonly handle: Uint8Array
  readonly secret: Secret
  /** In the authority's time. */
  readonly expiresAt: UnixMs
  /** By how many milliseconds the authority's clock is before the own one. */
  readonly aheadMs: number
}

/** Who signs. */
export interface SigningMember {
  readonly clock: Clock
  readonly random: Random
  /** Where the token is kept: file of mode 0600. */
  readonly folder: string
  /** host:port as requests name it. */
  readonly host: string
  readonly identity: CoseSigner
  /** SubjectPublicKeyInfo of the TLS leaf that the connection presented. */
  readonly leafSpki: Uint8Array
}

/**
 * A client whose requests are signed with a token of the authority: the kept one, or a new one when
 * that is near its end, or refused. What is refused for its signature was not acted on, so it is sent
 * once more with the new token.
 *
 * @param client - a verified connection with the own certificate
 * @param member - whose requests these are
 * @see identity: Tokens
 */
export function signedClient(client: AuthorityClient, member: SigningMember): AuthorityClient {
  let kept = readKeptToken(member.folder)
  let asking: Promise<KeptToken | AuthorityAnswer> | undefined
  const ask = (): Promise<KeptToken | AuthorityAnswer> => {
    asking ??= askToken(client, member)
      .then((asked) => {
        if ('secret' in asked) kept = asked
        return asked
      })
      .finally(() => (asking = undefined))
    return asking
  }
  const current = (): Promise<KeptToken | AuthorityAnswer> =>
    kept && isFresh(kept, member.clock) ? Promise.resolve(kept) : ask()
  const send = async (
    token: KeptToken | AuthorityAnswer,
    request: OwnRequest,
  ): Promise<AuthorityAnswer> =>
    'secret' in token ? exchangeSigned({ client, member, token }, request) : token
  return {
    ...client,
    request: async (method, path, body) => {
      if (UNSIGNED_PATHS.includes(path)) return client.request(method, path, body)
      const request = { method, path, body }
      const token = await current()
      const answer = await send(token, request)
      if (answer.status !== 401) return answer
      // Somebody else of this process may have asked meanwhile.
      return send(kept === token ? await ask() : await current(), request)
    },
  }
}

interface OwnRequest {
  readonly method: string
  readonly path: string
  readonly body: RequestBody | undefined
}

function isFresh({ expiresAt, aheadMs }: KeptToken, clock: Clock): boolean {
  return expiresAt - (clock.wallMs() + aheadMs) > RENEW_BEFORE_MS
}

function exchangeSigned(
  by: {
    readonly client: AuthorityClient
    readonly member: SigningMember
    readonly token: KeptToken
  },
  { method, path, body }: OwnRequest,
): Promise<AuthorityAnswer> {
  const { client, member, token } = by
  const { handle, secret, aheadMs } = token
  const signature = signRequest(
    { method, targetUri: requestTarget(member.host, path), body: body?.bytes },
    {
      handle,
      secret,
      now: unixMs(member.clock.wallMs() + aheadMs),
      nonce: member.random.bytes(16),
    },
  )
  return client.exchange({ method, path, body, headers: signature })
}

/** Asks for a token on this connection; a refusal is the authority's answer. */
async function askToken(
  client: AuthorityClient,
  member: SigningMember,
): Promise<KeptToken | AuthorityAnswer> {
  const connection = { exporter: client.exporter(), leafSpki: member.leafSpki }
  const bytes = signTokenRequest(connection, member.identity)
  const answer = await client.request('POST', '/v1/session', { type: 'application/cbor', bytes })
  if (answer.status !== 200) return answer
  const grant = decodeTokenGrant(answer.body)
  if (!grant) throw nodeErrors.error('KOS_NODE_RESPONSE', { rule: 'session-token' })
  const { handle, secret, expiresAt, time } = grant
  const token = { handle, secret, expiresAt, aheadMs: time - member.clock.wallMs() }
  keepToken(member.folder, token)
  return token
}

/** Keeps a token for the next process; without a disk it is asked for again. */
function keepToken(folder: string, token: KeptToken): void {
  const { handle, secret, expiresAt, aheadMs } = token
  const writer = new CborWriter()
  writer.array(2)
  writer.bytes(encodeTokenGrant({ handle, secret, expiresAt, time: unixMs(0) }))
  writer.int(aheadMs)
  const bytes = Uint8Array.from(writer.take())
  try {
    writePrivate(join(folder, FILE_NAME), bytes)
  } catch {
    // Nothing is lost but one request.
  }
  bytes.fill(0)
}

/** Reads the token that a folder keeps; `undefined` when there is none that can be read. */
export function readKeptToken(folder: string): KeptToken | undefined {
  try {
    const bytes = readFileSync(join(folder, FILE_NAME))
    if (bytes.length > MAX_FILE_BYTES) return undefined
    const reader = new CborReader(bytes)
    if (reader.array() !== 2) return undefined
    const grant = decodeTokenGrant(reader.bytes())
    const aheadMs = reader.int()
    reader.end()
    return grant && { ...grant, aheadMs }
  } catch (error) {
    if (codecErrors.has(error) || (error instanceof Error && 'errno' in error)) return undefined
    throw error
  }
}
