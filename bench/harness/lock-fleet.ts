/** A fleet whose members are registered but run nowhere: what `bench -- lock` connects and locks. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { sha256, silentLog, systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { pemEncode } from '../../src/foundation/codec/index.ts'
import {
  type AuthorityState,
  closeAuthorityState,
  openAuthorityState,
} from '../../src/apps/authority/authority-state.ts'
import { createPublisher } from '../../src/apps/authority/publisher.ts'
import { deriveDeviceId } from '../../src/trust/pki/index.ts'
import { benchPrincipal, benchRecord, benchTrustDomain } from './fleet.ts'

const DAY_MS = 86_400_000
const PROFILE = 'SEC-2'

/** One member as its process loads it; keys are PKCS #8 in base64. */
export interface LockMember {
  readonly uri: string
  readonly name: string
  readonly identity: string
  readonly chainPem: string
}

/** What the processes of the members read. */
export interface LockFleet {
  readonly authorityUri: string
  readonly bundle: string
  /** The lock list before anybody is locked. */
  readonly locks: string
  readonly pin: string
  readonly trustedPem: readonly string[]
  /** One TLS key for all: what is measured does not depend on it, and a thousand take long to make. */
  readonly tlsKeyPem: string
  readonly members: readonly LockMember[]
}

/** Makes the state of an authority with so many active members; the fleet lies in a file. */
export async function createLockFleet(
  folder: string,
  file: string,
  count: number,
): Promise<LockFleet> {
  const deps = { clock: systemClock, random: systemRandom, log: silentLog }
  const trustDomain = benchTrustDomain()
  const state = await openAuthorityState(deps, { folder, trustDomain })
  const tls = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const tlsSpki = tls.publicKey.export({ type: 'spki', format: 'der' })
  const members = await Promise.all(
    Array.from({ length: count }, (_, index) => register(state, `member-${index}`, tlsSpki)),
  )
  const fleet: LockFleet = {
    authorityUri: state.principal.uri,
    bundle: Buffer.from(state.ca.bundle).toString('base64'),
    locks: Buffer.from(firstLocks(state)).toString('base64'),
    pin: state.ca.pin,
    trustedPem: state.ca.chain.map((der) => pemEncode('CERTIFICATE', der)),
    tlsKeyPem: tls.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    members,
  }
  await closeAuthorityState(state)
  writeFileSync(file, JSON.stringify(fleet), { mode: 0o600 })
  return fleet
}

function firstLocks(state: AuthorityState): Uint8Array {
  const { ca, registry, principal, identity } = state
  const deps = { clock: systemClock, log: silentLog, ca, registry, onPublished: () => undefined }
  const publisher = createPublisher(deps, {
    uri: principal.uri,
    name: 'authority',
    addresses: [],
    identityKeyHash: identity.keyId,
    profile: PROFILE,
    roles: [],
    groups: [],
    labels: {},
  })
  return publisher.locks()
}

async function register(
  state: AuthorityState,
  name: string,
  tlsSpki: Uint8Array,
): Promise<LockMember> {
  const identity = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const identitySpki = identity.publicKey.export({ type: 'spki', format: 'der' })
  const uuid = systemRandom.uuidv7()
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 1)
  const principal = benchPrincipal(state.ca, 'device', deriveDeviceId({ mac, uuid, identitySpki }))
  const leaf = state.ca.issueLeaf({
    principal,
    tlsSpki,
    identity: { floor: PROFILE, generation: 1, identityKeyHash: sha256(identitySpki) },
    usage: 'peer',
    lifeMs: DAY_MS,
  })
  const { notBefore: certificateNotBefore, notAfter: certificateNotAfter } = leaf
  const facts = { name, uuid, identitySpki, certificateNotBefore, certificateNotAfter }
  await state.registry.transaction((transaction) =>
    transaction.insertPrincipal(benchRecord(principal, facts)),
  )
  const [intermediate] = state.ca.chain
  return {
    uri: principal.uri,
    name,
    identity: identity.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    chainPem: pemEncode('CERTIFICATE', leaf.der) + pemEncode('CERTIFICATE', intermediate),
  }
}

/** Both halves of an identity key as a member's session needs them. */
export function identityOf(member: LockMember): {
  readonly privateKey: ReturnType<typeof createPrivateKey>
  readonly spki: Uint8Array
} {
  const der = Buffer.from(member.identity, 'base64')
  const privateKey = createPrivateKey({ key: der, type: 'pkcs8', format: 'der' })
  return { privateKey, spki: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }) }
}
