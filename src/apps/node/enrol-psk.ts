import {
  type Clock,
  isRefusal,
  parsePrincipal,
  type Random,
  type Refusal,
  Secret,
  validate,
  z,
} from '../../foundation/base/index.ts'
import { cborToPlain, decodeCbor } from '../../foundation/codec/index.ts'
import {
  encodeMessage,
  type PskGrant,
  type PskJoinRequest,
  pskJoinAuthenticator,
} from '../../lifecycle/enrolment/index.ts'
import type { KeyStore } from '../../trust/keys/index.ts'
import { isPskHandle, PSK_ROOT_BYTES } from '../../trust/pki/index.ts'
import { type AuthorityClient, connectAuthority, refusalOf } from './authority-client.ts'
import type { JoinOptions } from './enrol.ts'
import { nodeErrors } from './errors.ts'
import { createFloorClock } from './floor-clock.ts'
import { openFloorFile } from './floor-file.ts'
import { keepOwnFloor, type Membership, storeMembership } from './membership.ts'
import { OBJECT_KINDS, writeObject } from './object-files.ts'
import { ensureLogKeys } from './principal-keys.ts'
import { keepPskRoot } from './psk-credential.ts'

const MAX_ANSWER = { maxBytes: 32 * 1024 * 1024, maxItems: 4096 }
const TIMEOUT_MS = 10_000
/** Name of the nonce that makes a repeated request the same one. */
const NONCE = 'psk-join-nonce'
const NONCE_BYTES = 32

interface PskAnswer {
  readonly grant: PskGrant
  readonly bundle: Uint8Array
  readonly directory: Uint8Array
  readonly locks: Uint8Array
  readonly manifest: Uint8Array
  readonly session: Uint8Array
  readonly timeMs: number
}

const bytes = z.instanceof(Uint8Array)
const answerSchema: z.ZodType<PskAnswer> = z.strictObject({
  grant: z.strictObject({
    principalId: z.string().max(64),
    uri: z.string().max(512),
    name: z.string().max(64),
    profile: z.literal('SEC-1'),
    generation: z.literal(1),
    handle: z.string().refine(isPskHandle),
    root: bytes.refine(({ length }) => length === PSK_ROOT_BYTES),
  }),
  bundle: bytes,
  directory: bytes,
  locks: bytes,
  manifest: bytes,
  session: bytes,
  timeMs: z.int().min(0),
})

/**
 * Joins an authority as a device without certificate: the answer carries a handle and the root of its
 * keys, over the connection whose authority the join line pins. A repeated call after a crash is the
 * same request, and gets the same key as long as it was not used.
 *
 * @returns the membership, durable; or the authority's refusal
 * @throws {@link KosError} as `joinAuthority`
 * @see identity: Joining, SEC-1 keys
 */
export async function joinAuthorityByPsk(
  deps: { readonly clock: Clock; readonly random: Random },
  options: Omit<JoinOptions, 'addresses'>,
): Promise<Membership | Refusal> {
  const { keys, line, folder } = options
  const clock = createFloorClock(deps.clock)
  const floors = openFloorFile(deps, options)
  ensureLogKeys(keys)
  const { host, port, pin } = line
  const target = { host, port, pin, identity: undefined, timeoutMs: TIMEOUT_MS }
  const client = await connectAuthority({ clock }, target)
  try {
    await client.agreeOnTime()
    const statement = {
      tokenId: line.tokenId,
      nonce: keptNonce(deps.random, keys),
      mac: options.mac,
      logSpkis: [keys.require('log-ed25519').spki, keys.require('log-ml-dsa-44').spki],
    }
    const authenticator = pskJoinAuthenticator(line.secret, client.exporter(), statement)
    const answer = await send(client, { ...statement, authenticator })
    if (isRefusal(answer)) return answer
    const membership = membershipOf(answer, { host, port, pin })
    keepPskRoot(keys, answer.grant.handle, answer.grant.root)
    answer.grant.root.fill(0)
    keepOwnFloor(keys, floors, membership)
    for (const kind of OBJECT_KINDS) writeObject(folder, kind, answer[kind])
    storeMembership(keys, membership)
    keys.removeSecret(NONCE)
    return membership
  } finally {
    client.close()
  }
}

function keptNonce(random: Random, keys: KeyStore): Uint8Array {
  using kept = keys.openSecret(NONCE) ?? makeNonce(random, keys)
  return kept.use((nonce) => Uint8Array.from(nonce))
}

function makeNonce(random: Random, keys: KeyStore): Secret {
  const made = Secret.take(random.bytes(NONCE_BYTES))
  keys.sealSecret(NONCE, made)
  return made
}

async function send(
  client: AuthorityClient,
  request: PskJoinRequest,
): Promise<PskAnswer | Refusal> {
  const body = { type: 'application/cbor', bytes: encodeMessage(request) } as const
  const answer = await client.request('POST', '/v1/join/psk', body)
  if (answer.status !== 200) return refusalOf(answer)
  try {
    const checked = validate(answerSchema, cborToPlain(decodeCbor(answer.body, MAX_ANSWER)))
    if (isRefusal(checked)) throw nodeErrors.error('KOS_NODE_RESPONSE', { rule: checked.rule })
    return checked.value
  } catch (cause) {
    if (nodeErrors.has(cause)) throw cause
    throw nodeErrors.error('KOS_NODE_RESPONSE', { rule: 'encoding' }, cause)
  }
}

function membershipOf(
  { grant, session }: PskAnswer,
  at: Pick<Membership, 'host' | 'port' | 'pin'>,
): Membership {
  const principal = parsePrincipal(grant.uri)
  if (principal?.id !== grant.principalId) {
    throw nodeErrors.error('KOS_NODE_RESPONSE', { rule: 'grant' })
  }
  return Object.freeze({
    ...at,
    principal,
    name: grant.name,
    profile: 'SEC-1',
    generation: 1,
    tlsKey: '',
    leaf: new Uint8Array(0),
    session: Buffer.from(session).toString('utf8'),
    psk: { handle: grant.handle, identity: grant.handle },
  })
}
