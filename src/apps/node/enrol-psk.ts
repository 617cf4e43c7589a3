import {
  type Clock,
  isRefusal,
  parsePrincipal,
  type Random,
  type Refusal,
  Secret,
  z,
} from '../../foundation/base/index.ts'
import {
  encodeMessage,
  type PskGrant,
  pskJoinAuthenticator,
} from '../../lifecycle/enrolment/index.ts'
import type { KeyStore } from '../../trust/keys/index.ts'
import { isPskHandle, PSK_ROOT_BYTES } from '../../trust/pki/index.ts'
import { connectAuthority } from './authority-client.ts'
import { type EnrolmentAnswer, exchangeEnrolment, type JoinOptions, joinTarget } from './enrol.ts'
import { nodeErrors } from './errors.ts'
import { createFloorClock } from './floor-clock.ts'
import { openFloorFile } from './floor-file.ts'
import { keepOwnFloor, type Membership, storeMembership } from './membership.ts'
import { OBJECT_KINDS, writeObject } from './object-files.ts'
import { ensureLogKeys } from './principal-keys.ts'
import { keepPskRoot } from './psk-credential.ts'

/** Name of the nonce that makes a repeated request the same one. */
const NONCE = 'psk-join-nonce'
const NONCE_BYTES = 32

const pskGrant: z.ZodType<PskGrant> = z.strictObject({
  principalId: z.string().max(64),
  uri: z.string().max(512),
  name: z.string().max(64),
  profile: z.literal('SEC-1'),
  generation: z.literal(1),
  handle: z.string().refine(isPskHandle),
  root: z.instanceof(Uint8Array).refine(({ length }) => length === PSK_ROOT_BYTES),
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
  const client = await connectAuthority({ clock }, joinTarget(options))
  try {
    await client.agreeOnTime()
    const statement = {
      tokenId: line.tokenId,
      nonce: keptNonce(deps.random, keys),
      mac: options.mac,
      logSpkis: [keys.require('log-ed25519').spki, keys.require('log-ml-dsa-44').spki],
      ...(options.name !== undefined && { name: options.name }),
    }
    const authenticator = pskJoinAuthenticator(line.secret, client.exporter(), statement)
    const request = encodeMessage({ ...statement, authenticator })
    const answer = await exchangeEnrolment(client, { path: '/v1/join/psk', request }, pskGrant)
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

function membershipOf(
  { grant, session }: EnrolmentAnswer<PskGrant>,
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
