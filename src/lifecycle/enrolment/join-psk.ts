import { createHmac } from 'node:crypto'
import {
  equalConstantTime,
  isRefusal,
  refuse,
  type Refusal,
  Secret,
  sha256,
  toHex,
  type TrustDomain,
  unixMs,
} from '../../foundation/base/index.ts'
import { encodeCbor } from '../../foundation/codec/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import { newPskHandle, PSK_LIFE_MS, PSK_ROOT_BYTES, pskIdentity } from '../../trust/pki/index.ts'
import { floorProblem } from './floors.ts'
import { keyHashOf } from './issue.ts'
import { intend, type JoinDeps, namePrincipal, newPrincipal, otherKind } from './join.ts'
import type { PskGrant, PskJoinRequest } from './messages.ts'
import { capacityProblem, nameProblem } from './names.ts'
import type { EnrolmentTransaction, PrincipalRecord, PskRecord, TokenRecord } from './records.ts'
import { consumeToken, tokenForDevice } from './token-uses.ts'
import { ownerProblem, tokenRefused } from './tokens.ts'

const EXPORTER_BYTES = 32

/** Seals the roots of pre-shared keys, each for its handle. */
export interface PskVault {
  seal(handle: string, root: Secret): Uint8Array
  /** A copy of the root; the caller disposes of it. @throws when it was sealed for another handle */
  open(handle: string, sealed: Uint8Array): Secret
}

/** How a join without certificate ended; see `JoinResult`. */
export type PskJoinResult =
  | { readonly grant: PskGrant; readonly repeated: boolean; readonly token: TokenRecord }
  | (Refusal & { readonly copyOf?: string })

/** Decides the join requests of devices that get a pre-shared key. */
export interface PskJoinService {
  /**
   * Joins a SEC-1 device: spends the token, names the device, makes its key. The same request again
   * gets the same key until the key is used for the first time.
   *
   * @param request - decoded, not yet trusted
   * @param exporter - 32 bytes of the enrolment exporter of the connection it came on
   * @returns the grant with the root in clear, or a refusal as `JoinService.join` gives it
   *
   * **Security:** the root may leave on this very connection only, and never in a log.
   */
  join(request: PskJoinRequest, exporter: Uint8Array): Promise<PskJoinResult>
}

interface PskJoinDeps extends Omit<JoinDeps, 'ca'> {
  readonly vault: PskVault
}

interface PskJoinCase {
  readonly transaction: EnrolmentTransaction
  readonly request: PskJoinRequest
  /** Names the request: without a TLS key, it is all of it but the authenticator. */
  readonly requestHash: string
  readonly trustDomain: TrustDomain
}

/**
 * Makes the join service of pre-shared keys.
 *
 * @param deps - as for `createJoinService`, and what seals the roots
 * @param options - the trust domain of new principals
 * @see identity: Joining, SEC-1 keys
 */
export function createPskJoinService(
  deps: PskJoinDeps,
  options: { readonly trustDomain: TrustDomain },
): PskJoinService {
  return Object.freeze({
    join: async (request: PskJoinRequest, exporter: Uint8Array): Promise<PskJoinResult> => {
      if (!knowsSecret(deps, request, exporter)) return tokenRefused('secret')
      const requestHash = toHex(sha256(statementOf(request)))
      const intended = deps.intend && (await intend(deps, request.tokenId))
      const result = await deps.store.transaction((transaction) =>
        decide(deps, { transaction, request, requestHash, ...options }),
      )
      if (intended && isRefusal(result)) await deps.refused?.(intended, result)
      return result
    },
  })
}

/**
 * HMAC(secret, TLS exporter ‖ request): proves the secret without sending it, on one connection.
 *
 * @param request - all of it but the authenticator
 */
export function pskJoinAuthenticator(
  secret: Secret,
  exporter: Uint8Array,
  request: Omit<PskJoinRequest, 'authenticator'>,
): Uint8Array {
  const statement = statementOf(request)
  return secret.use((key) => createHmac('sha256', key).update(exporter).update(statement).digest())
}

function statementOf(request: Omit<PskJoinRequest, 'authenticator'>): Uint8Array {
  const { tokenId, nonce, mac, logSpkis, name } = request
  const said = name === undefined ? {} : { name }
  return encodeCbor({ tokenId, nonce, mac, logSpkis: [...logSpkis], ...said })
}

function knowsSecret(
  { tokens }: PskJoinDeps,
  request: PskJoinRequest,
  exporter: Uint8Array,
): boolean {
  if (exporter.length !== EXPORTER_BYTES) return false
  using secret = tokens.secretOf(request.tokenId)
  const expected = pskJoinAuthenticator(secret, exporter, request)
  return equalConstantTime(expected, request.authenticator)
}

function decide(deps: PskJoinDeps, join: PskJoinCase): PskJoinResult {
  const { transaction, request, requestHash } = join
  const token = transaction.token(request.tokenId)
  if (!token || token.raises !== undefined || token.origin !== undefined) {
    return tokenRefused('unknown')
  }
  if (token.kind === 'user') return otherKind(token)
  const use = token.uses && transaction.tokenUse(token.id, requestHash)
  const before = use && transaction.principal(use.principalId)
  // Whoever is in may ask again, whatever became of the line meanwhile.
  if (before) return sameAgain(deps, join, { token, principal: before })
  if (token.state === 'revoked') return tokenRefused('revoked')
  if (token.state === 'spent') {
    return token.uses ? tokenRefused('spent') : spentBefore(deps, join, token)
  }
  const nowMs = deps.clock.wallMs()
  if (token.expiresAt <= nowMs) return tokenRefused('expired')
  const own = tokenForDevice(transaction, token, { wanted: request.name, nowMs })
  if (isRefusal(own)) return own
  return admissionProblem(join, own) ?? admit(deps, join, own)
}

/** The same request again, or somebody else with the line. */
function spentBefore(deps: PskJoinDeps, join: PskJoinCase, token: TokenRecord): PskJoinResult {
  const { transaction, requestHash } = join
  const principal = token.principalId && transaction.principal(token.principalId)
  if (!principal) return tokenRefused('spent')
  if (token.spentTlsKeyHash === requestHash) return sameAgain(deps, join, { token, principal })
  const { key, isUsed } = firstKeyOf(transaction, principal)
  const isOld = token.expiresAt <= deps.clock.wallMs()
  if (!key || isOld || !isUsed || principal.state !== 'active') return tokenRefused('spent')
  transaction.changePrincipal(principal.id, { state: 'quarantined' })
  return { ...refuse('KOS_ENROLMENT_COPY', 'token/other-request'), copyOf: principal.id }
}

/** Whoever has used the key holds it: it is not told twice. */
function sameAgain(
  deps: PskJoinDeps,
  { transaction }: PskJoinCase,
  { token, principal }: { readonly token: TokenRecord; readonly principal: PrincipalRecord },
): PskJoinResult {
  if (principal.state !== 'active') return refuse('KOS_ENROLMENT_LOCKED', 'principal/state')
  const { key, isUsed } = firstKeyOf(transaction, principal)
  return isUsed || !key
    ? tokenRefused('spent')
    : { grant: grantOf(deps, principal, key), repeated: true, token }
}

function firstKeyOf(
  transaction: EnrolmentTransaction,
  { id, generation }: PrincipalRecord,
): { readonly key: PskRecord | undefined; readonly isUsed: boolean } {
  const key = transaction.pskOf(id).find((one) => one.generation === 1)
  return { key, isUsed: !key || key.firstUsedAt !== undefined || generation > 1 }
}

function admissionProblem(join: PskJoinCase, token: TokenRecord): Refusal | undefined {
  const { transaction, request } = join
  if (profileOf(token.profile).authentication.factor !== 'psk') {
    return refuse('KOS_ENROLMENT_PROFILE', 'profile/certificate', {
      remedy: 'Join without --psk: this token is for a device with a certificate.',
      details: { profile: token.profile },
    })
  }
  const used = request.logSpkis.map((spki) => transaction.keyUse(keyHashOf(spki))).find(Boolean)
  if (used) {
    return refuse('KOS_ENROLMENT_COPY', `keys/registered-${used.purpose}`, {
      remedy: 'Join from an empty state folder: its keys belong to another registration.',
    })
  }
  return (
    floorProblem(transaction, token, { mac: toHex(request.mac), identityKeyHash: undefined }) ??
    capacityProblem(transaction) ??
    ownerProblem(transaction, token) ??
    nameProblem(transaction, token)
  )
}

function admit(deps: PskJoinDeps, join: PskJoinCase, token: TokenRecord): PskJoinResult {
  const { transaction, request, requestHash } = join
  const handle = newPskHandle(deps.random)
  const identitySpki = pskIdentity(handle)
  const uuid = deps.random.uuidv7()
  const named = namePrincipal(join.trustDomain, token, { mac: request.mac, uuid, identitySpki })
  if (!named) return refuse('KOS_ENROLMENT_REQUEST', 'token/name')
  const now = deps.clock.wallMs()
  const use = { keyHash: requestHash, principalId: named.id, usedAt: now }
  if (!consumeToken(transaction, token, use)) return tokenRefused('spent')
  const principal = newPrincipal(token, named, {
    mac: toHex(request.mac),
    uuid,
    identitySpki,
    kemSpki: undefined,
    logSpkis: request.logSpkis,
    addresses: [],
    createdAt: now,
    certificateNotBefore: now,
    certificateNotAfter: unixMs(now + PSK_LIFE_MS),
  })
  transaction.insertPrincipal(principal)
  const key = newPsk(deps, { principalId: named.id, generation: 1, handle })
  transaction.insertPsk(key)
  return { grant: grantOf(deps, principal, key), repeated: false, token }
}

/** A new key with a random root, sealed for its handle. */
export function newPsk(
  { clock, random, vault }: Pick<PskJoinDeps, 'clock' | 'random' | 'vault'>,
  of: Pick<PskRecord, 'principalId' | 'generation' | 'handle'>,
): PskRecord {
  using root = Secret.take(random.bytes(PSK_ROOT_BYTES))
  return {
    ...of,
    sealedRoot: vault.seal(of.handle, root),
    createdAt: clock.wallMs(),
    firstUsedAt: undefined,
    endsAt: undefined,
  }
}

function grantOf(
  { vault }: Pick<PskJoinDeps, 'vault'>,
  principal: PrincipalRecord,
  { handle, sealedRoot, generation }: PskRecord,
): PskGrant {
  using root = vault.open(handle, sealedRoot)
  return {
    principalId: principal.id,
    uri: principal.uri,
    name: principal.name,
    profile: principal.profile,
    generation,
    handle,
    root: root.use((bytes) => Uint8Array.from(bytes)),
  }
}
