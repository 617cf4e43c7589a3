/** A throw-away fleet: a real CA, a device that serves and a user who owns it and calls. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  isRefusal,
  parsePrincipal,
  type Principal,
  type PrincipalKind,
  parseTrustDomain,
  principalOf,
  type Refusal,
  sha256,
  systemClock,
  systemRandom,
  type TrustDomain,
  type UnixMs,
  unixMs,
} from '../../src/foundation/base/index.ts'
import { pemEncode } from '../../src/foundation/codec/index.ts'
import type { PrincipalRecord } from '../../src/lifecycle/enrolment/index.ts'
import type { CertificateIdentity } from '../../src/network/transport/index.ts'
import { type KeyStore, openKeyStore } from '../../src/trust/keys/index.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  deriveDeviceId,
  EMPTY_LOCK_LIST,
  encodeLockList,
  signNumbered,
  type TrustBundle,
  verifyTrustBundle,
} from '../../src/trust/pki/index.ts'
import {
  defaultFleetManifest,
  type Manifest,
  parseManifest,
  type Rule,
  signManifest,
} from '../../src/trust/policy/index.ts'
import { benchRules, manifestRule } from '../contenders/policy-rules.ts'

const HOUR_MS = 3_600_000
const PROFILE = 'SEC-2'
const RULES = 1000
/** The command of the benchmark that changes something. */
export const CHANGING_COMMAND = 'bench.note'

/** The ends of every contender. */
export type MemberRole = 'server' | 'client'

/** One end: its principal, keys and certificates. */
export interface BenchMember {
  readonly role: MemberRole
  readonly principal: Principal
  readonly owner: Principal
  readonly keys: KeyStore
  readonly tls: CertificateIdentity
  readonly leafDer: Uint8Array
  readonly trust: TrustBundle
  /** The fleet's manifest, signed. */
  readonly manifest: Uint8Array
  /** The fleet's lock list, signed. */
  readonly locks: Uint8Array
}

/** What is written for a member beside its key store; bytes as base64. */
interface MemberFile {
  readonly uri: string
  readonly ownerUri: string
  readonly chainPem: string
  readonly trustedPem: readonly string[]
  readonly leaf: string
  readonly bundle: string
  readonly pin: string
  readonly manifest: string
  readonly locks: string
}

/** The value, or the end of the run. */
export function must<T>(value: T | Refusal): T {
  if (isRefusal(value)) throw new Error(`refused: ${value.code} ${value.rule}`)
  return value
}

/** Makes a certificate authority in a folder. */
export function createBenchAuthority(directory: string): {
  readonly ca: CertificateAuthority
  readonly keys: KeyStore
} {
  const trustDomain = benchTrustDomain()
  const keys = openStore(directory)
  const ca = createCertificateAuthority(
    { clock: systemClock, random: systemRandom, keys },
    { trustDomain },
  )
  return { ca, keys }
}

/** Makes a fleet of one device and one user in a folder; both ends load themselves from it. */
export function createFleet(directory: string): void {
  const { ca, keys } = createBenchAuthority(join(directory, 'authority'))
  const issuedAt = systemClock.wallMs()
  const place = { era: ca.era, number: 1, issuedAt }
  const notAfter = unixMs(issuedAt + 24 * HOUR_MS)
  const signed = {
    manifest: signManifest(fleetManifest(notAfter), place, ca.signers.policy.coseSigner()),
    locks: signNumbered(
      'lock-list',
      { ...place, body: encodeLockList(EMPTY_LOCK_LIST) },
      ca.signers.lock.coseSigner(),
    ),
  }
  const owner = benchPrincipal(ca, 'user', 'bench-owner')
  for (const role of ['server', 'client'] as const) {
    createMember(join(directory, role), { ca, role, owner, signed })
  }
  keys.close()
}

/**
 * 1,000 rules: the one of a new fleet, one for the changing command of the benchmark, and those of many
 * teams, which the callers of the benchmark do not meet.
 */
function fleetManifest(notAfter: UnixMs): Manifest {
  const fleet = defaultFleetManifest({ notAfter })
  const change: Rule = {
    id: 'owners-note',
    effect: 'allow',
    domain: 'rpc',
    from: ['owner'],
    to: ['kind:device'],
    actions: [CHANGING_COMMAND],
  }
  const teams = benchRules(RULES - fleet.rules.length - 1).map((rule) => manifestRule(rule, 'rpc'))
  return must(parseManifest({ ...fleet, rules: [...fleet.rules, change, ...teams] }))
}

function createMember(
  directory: string,
  facts: {
    readonly ca: CertificateAuthority
    readonly role: MemberRole
    readonly owner: Principal
    readonly signed: { readonly manifest: Uint8Array; readonly locks: Uint8Array }
  },
): void {
  const { ca, role, owner, signed } = facts
  const keys = openStore(join(directory, 'keys'))
  const identityKey = keys.create('identity', 'identity', 'P-256')
  const tlsKey = keys.create('tls', 'tls', 'P-256')
  keys.create('log-ed25519', 'log', 'Ed25519')
  keys.create('log-ml-dsa-44', 'log', 'ML-DSA-44')
  const id = deriveDeviceId({
    mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
    uuid: systemRandom.uuidv7(),
    identitySpki: identityKey.spki,
  })
  const named = role === 'server' ? benchPrincipal(ca, 'device', id) : owner
  const leaf = ca.issueLeaf({
    principal: named,
    tlsSpki: tlsKey.spki,
    identity: { floor: PROFILE, generation: 1, identityKeyHash: sha256(identityKey.spki) },
    usage: 'peer',
    lifeMs: 24 * HOUR_MS,
  })
  const [intermediate, root] = ca.chain.map((der) => pemEncode('CERTIFICATE', der))
  if (!intermediate || !root) throw new Error('no chain')
  const file: MemberFile = {
    uri: named.uri,
    ownerUri: owner.uri,
    chainPem: pemEncode('CERTIFICATE', leaf.der) + intermediate,
    trustedPem: [root, intermediate],
    leaf: Buffer.from(leaf.der).toString('base64'),
    bundle: Buffer.from(ca.bundle).toString('base64'),
    pin: ca.pin,
    manifest: Buffer.from(signed.manifest).toString('base64'),
    locks: Buffer.from(signed.locks).toString('base64'),
  }
  writeFileSync(join(directory, 'member.json'), JSON.stringify(file))
  keys.close()
}

/** Opens one end of a fleet in the process that plays it. */
export function loadMember(fleet: string, role: MemberRole): BenchMember {
  const directory = join(fleet, role)
  const file = JSON.parse(readFileSync(join(directory, 'member.json'), 'utf8')) as MemberFile
  const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'))
  const [named, owner] = [parsePrincipal(file.uri), parsePrincipal(file.ownerUri)]
  if (!named || !owner) throw new Error('no principal')
  const keys = openStore(join(directory, 'keys'))
  return {
    role,
    principal: named,
    owner,
    keys,
    tls: {
      kind: 'certificate',
      certificateChainPem: file.chainPem,
      privateKeyPem: keys.require('tls').tlsPrivateKeyPem(),
      trustedCaPem: file.trustedPem,
    },
    leafDer: bytes(file.leaf),
    trust: must(verifyTrustBundle(bytes(file.bundle), { pin: file.pin })),
    manifest: bytes(file.manifest),
    locks: bytes(file.locks),
  }
}

function openStore(directory: string): KeyStore {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return openKeyStore({ random: systemRandom }, { directory, unlock: { kind: 'file' } })
}

/** A principal of the throw-away domain. */
export function benchPrincipal(
  ca: CertificateAuthority,
  kind: PrincipalKind,
  id: string,
): Principal {
  const named = principalOf(ca.trustDomain, kind, id)
  if (!named) throw new Error(`not a ${kind}: ${id}`)
  return named
}

/** The throw-away domain. */
export function benchTrustDomain(): TrustDomain {
  const trustDomain = parseTrustDomain('kos.internal')
  if (!trustDomain) throw new Error('not a trust domain')
  return trustDomain
}

type MadeUp = 'name' | 'uuid' | 'identitySpki' | 'certificateNotBefore' | 'certificateNotAfter'

/** What the registry knows of a principal that the bench made: active, with its first certificate in use. */
export function benchRecord(
  { id, uri, kind }: Principal,
  facts: Pick<PrincipalRecord, MadeUp> & Partial<PrincipalRecord>,
): PrincipalRecord {
  const since = facts.certificateNotBefore
  return {
    id,
    uri,
    kind,
    profile: PROFILE,
    state: 'active',
    owner: '',
    mac: '',
    kemSpki: undefined,
    logSpkis: [],
    generation: 1,
    generationUsed: true,
    roles: [],
    groups: [],
    labels: {},
    addresses: [],
    createdAt: since,
    lastSeenAt: since,
    ...facts,
  }
}
