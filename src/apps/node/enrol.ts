import {
  type Clock,
  isRefusal,
  parsePrincipal,
  type Random,
  type Refusal,
  type UnixMs,
  unixMs,
  validate,
  z,
} from '../../foundation/base/index.ts'
import {
  cborToPlain,
  type CoseSigner,
  decodeCbor,
  parseCertificate,
} from '../../foundation/codec/index.ts'
import { parseProfileName } from '../../foundation/profiles/index.ts'
import {
  createJoinRequest,
  createRenewRequest,
  encodeMessage,
  type EnrolmentGrant,
  type JoinLine,
  type RequestKeys,
} from '../../lifecycle/enrolment/index.ts'
import type { KeyRef, KeyStore } from '../../trust/keys/index.ts'
import { type TrustBundle, verifyPeerLeaf } from '../../trust/pki/index.ts'
import {
  type AuthorityClient,
  type AuthorityTarget,
  connectAuthority,
  refusalOf,
  type RequestBody,
} from './authority-client.ts'
import { nodeErrors } from './errors.ts'
import { createFloorClock } from './floor-clock.ts'
import type { Member } from './member.ts'
import { openFloorFile } from './floor-file.ts'
import { keepOwnFloor, type Membership, storeMembership } from './membership.ts'
import { OBJECT_KINDS, writeObject } from './object-files.ts'
import { ensurePrincipalKeys, ensureTlsKey, tlsKeyName } from './principal-keys.ts'

const MAX_ANSWER = { maxBytes: 32 * 1024 * 1024, maxItems: 4096 }
const TIMEOUT_MS = 10_000

/** What a device gives to join. */
export interface JoinOptions {
  readonly folder: string
  readonly keys: KeyStore
  readonly line: JoinLine
  /** 6 bytes. */
  readonly mac: Uint8Array
  /** host:port under which peers reach this device. */
  readonly addresses: readonly string[]
  /** What it would like to be called; only a line for several devices listens to that. */
  readonly name?: string | undefined
  /** What an earlier attempt learned: the next one needs a connection less. */
  readonly learned?: { bundle?: TrustBundle }
  /** Whether it is a person who joins, and no daemon. */
  readonly isPerson?: boolean
}

/** How a member renews. */
export interface RenewOptions {
  /** host:port under which peers reach it now; none keeps what the authority knows. */
  readonly addresses: readonly string[]
  /** Longest silence of the authority in milliseconds; 10 s when absent. */
  readonly timeoutMs?: number
}

/** What is granted, and everything a member needs beside it. */
export interface EnrolmentAnswer<Grant = EnrolmentGrant> {
  readonly grant: Grant
  readonly bundle: Uint8Array
  readonly directory: Uint8Array
  readonly locks: Uint8Array
  readonly manifest: Uint8Array
  readonly session: Uint8Array
  readonly timeMs: number
}

const bytes = z.instanceof(Uint8Array)
const certificateGrant: z.ZodType<EnrolmentGrant> = z.strictObject({
  principalId: z.string().max(64),
  uri: z.string().max(512),
  name: z.string().max(64),
  profile: z.string().max(16),
  generation: z.int().min(1),
  leaf: bytes,
})

/**
 * Joins an authority with a join line: proves the token's secret and the own keys over one verified
 * connection, checks the certificate it gets, and keeps everything. A repeated call after a crash
 * uses the same keys and gets the same certificate. A clock that is behind is corrected by the
 * authority's time; one that is ahead is refused before the token is used.
 *
 * @returns the membership, durable; or the authority's refusal
 * @throws {@link KosError} KOS_NODE_AUTHORITY_UNREACHABLE, KOS_NODE_AUTHORITY_UNTRUSTED,
 * KOS_NODE_RESPONSE, KOS_NODE_CLOCK, KOS_NODE_FLOOR
 * @see identity: Joining
 */
export async function joinAuthority(
  deps: { readonly clock: Clock; readonly random: Random },
  options: JoinOptions,
): Promise<Membership | Refusal> {
  const { keys, line } = options
  const clock = createFloorClock(deps.clock)
  const floors = openFloorFile(deps, options)
  ensurePrincipalKeys(keys)
  const tls = ensureTlsKey(keys, 1)
  const { host, port, pin } = line
  const client = await connectAuthority({ clock }, joinTarget(options))
  try {
    await client.agreeOnTime()
    const facts = {
      tokenId: line.tokenId,
      secret: line.secret,
      mac: options.mac,
      kemSpki: keys.require('kem').spki,
      logSpkis: [keys.require('log-ed25519').spki, keys.require('log-ml-dsa-44').spki],
      addresses: options.addresses,
      name: options.name,
    }
    const request = createJoinRequest(requestKeys(keys, tls), facts, client.exporter())
    const path = options.isPerson ? '/v1/login' : '/v1/join'
    const answer = await sendEnrolment(client, path, encodeMessage(request))
    if (isRefusal(answer)) return answer
    const nowMs = clock.wallMs()
    const membership = membershipOf({ client, answer, keys, nowMs, at: { host, port, pin } })
    keepOwnFloor(keys, floors, membership)
    for (const kind of OBJECT_KINDS) writeObject(options.folder, kind, answer[kind])
    storeMembership(keys, membership)
    return membership
  } finally {
    client.close()
  }
}

/** Where a join line points, and what is known of it already. */
export function joinTarget({
  line,
  learned,
}: Pick<JoinOptions, 'line' | 'learned'>): AuthorityTarget {
  const { host, port, pin } = line
  return {
    host,
    port,
    pin,
    identity: undefined,
    timeoutMs: TIMEOUT_MS,
    ...(learned?.bundle && { held: learned.bundle }),
    onBundle: (bundle) => {
      if (learned) learned.bundle = bundle
    },
  }
}

/**
 * Renews the certificate of a member for a new TLS key. The key of the next generation is kept
 * before it is sent, so that a lost answer is repeated, not replaced.
 *
 * @param member - who renews; its membership is updated, durably
 * @param options - addresses, patience
 * @returns `undefined` when renewed, else the authority's refusal
 * @throws {@link KosError} as {@link joinAuthority}
 * @see identity: Renewal and absence
 */
export async function renewMembership(
  member: Member,
  options: RenewOptions,
): Promise<Refusal | undefined> {
  const { keys, membership, clock } = member
  const { addresses, timeoutMs = TIMEOUT_MS } = options
  const tls = ensureTlsKey(keys, membership.generation + 1)
  const { host, port, pin } = membership
  // Without a client certificate: the own one may have ended, the identity key proves who asks.
  const held = member.fabric.bundle
  const target = { host, port, pin, held, identity: undefined, timeoutMs }
  const client = await connectAuthority({ clock }, target)
  try {
    const facts = {
      principalId: membership.principal.id,
      generation: membership.generation,
      addresses,
    }
    const request = createRenewRequest(requestKeys(keys, tls), facts, client.exporter())
    const answer = await sendEnrolment(client, '/v1/renew', encodeMessage(request))
    if (isRefusal(answer)) return answer
    clock.raise(unixMs(answer.timeMs))
    acceptAnswer(member, { client, answer, at: { host, port, pin } })
    return undefined
  } finally {
    client.close()
  }
}

/** Takes a further certificate into use, with the objects that came along; durable on return. */
export function acceptAnswer(
  member: Member,
  granted: Pick<Parameters<typeof membershipOf>[0], 'client' | 'answer' | 'at'>,
): void {
  const { keys, membership, clock } = member
  const { answer } = granted
  const next = membershipOf({ ...granted, keys, nowMs: clock.wallMs() })
  if (next.principal.uri !== membership.principal.uri) throw response('principal')
  const former = membership.tlsKey
  for (const kind of ['bundle', 'locks', 'directory', 'manifest'] as const) {
    member.fabric.apply(kind, answer[kind])
  }
  member.update(next)
  if (former !== next.tlsKey && keys.get(former)) keys.remove(former)
}

/** The keys that take part in a request. */
export function requestKeys(keys: KeyStore, tls: KeyRef): RequestKeys {
  const identity = keys.require('identity')
  const signer: CoseSigner = identity.coseSigner()
  return {
    identitySpki: identity.spki,
    identity: signer,
    tlsSpki: tls.spki,
    tlsSigner: tls.certificateSigner(),
  }
}

/** Sends a request for a certificate to one of the enrolment routes and reads what is granted. */
export function sendEnrolment(
  client: AuthorityClient,
  path: string,
  request: Uint8Array,
): Promise<EnrolmentAnswer | Refusal> {
  return exchangeEnrolment(client, { path, request }, certificateGrant)
}

/** Sends a request to one of the enrolment routes and reads what is granted, of the given form. */
export async function exchangeEnrolment<Grant>(
  client: AuthorityClient,
  { path, request }: { readonly path: string; readonly request: Uint8Array },
  grant: z.ZodType<Grant>,
): Promise<EnrolmentAnswer<Grant> | Refusal> {
  const body: RequestBody = { type: 'application/cbor', bytes: request }
  const answer = await client.request('POST', path, body)
  if (answer.status !== 200) return refusalOf(answer)
  const schema = z.strictObject({
    grant,
    bundle: bytes,
    directory: bytes,
    locks: bytes,
    manifest: bytes,
    session: bytes,
    timeMs: z.int().min(0),
  })
  try {
    const checked = validate(schema, cborToPlain(decodeCbor(answer.body, MAX_ANSWER)))
    if (isRefusal(checked)) throw response(checked.rule)
    return checked.value
  } catch (cause) {
    throw nodeErrors.has(cause) ? cause : response('encoding', cause)
  }
}

/** The leaf must name us, hold our TLS key and our identity key, under the verified bundle. */
function membershipOf(made: {
  readonly client: AuthorityClient
  readonly answer: EnrolmentAnswer
  readonly keys: KeyStore
  readonly nowMs: UnixMs
  readonly at: Pick<Membership, 'host' | 'port' | 'pin'>
}): Membership {
  const { client, answer, keys, nowMs } = made
  const { grant } = answer
  const { bundle } = client
  const verified = verifyPeerLeaf(grant.leaf, { bundle, purpose: 'client', nowMs })
  if (isRefusal(verified)) throw response(`leaf/${verified.rule}`)
  const tlsKey = tlsKeyName(grant.generation)
  const own = keys.get(tlsKey)
  const certified = parseCertificate(grant.leaf).spki
  if (!own || Buffer.compare(own.spki, certified) !== 0) throw response('leaf/key')
  const identityHash = keys.require('identity').keyId
  if (Buffer.compare(verified.identityKeyHash, identityHash) !== 0) throw response('leaf/identity')
  const principal = parsePrincipal(grant.uri)
  const profile = parseProfileName(grant.profile)
  const fits = principal && principal.uri === verified.principal.uri && profile
  if (!fits || verified.generation !== grant.generation) throw response('grant')
  if (verified.floor.name !== profile) throw response('grant/floor')
  return Object.freeze({
    ...made.at,
    principal,
    name: grant.name,
    profile,
    generation: grant.generation,
    tlsKey,
    leaf: grant.leaf,
    session: Buffer.from(answer.session).toString('utf8'),
  })
}

function response(rule: string, cause?: unknown): Error {
  return nodeErrors.error('KOS_NODE_RESPONSE', { rule }, cause)
}
