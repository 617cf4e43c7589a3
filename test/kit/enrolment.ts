/** An authority's enrolment over a real store, CA and key store, and devices that join it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  isRefusal,
  type Random,
  type Refusal,
  Secret,
  sha256,
  silentLog,
  toHex,
  utf8,
} from '../../src/foundation/base/index.ts'
import { coseSignerFromKey } from '../../src/foundation/codec/index.ts'
import { openStore, type Store } from '../../src/foundation/storage/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import { floorLookupSchema, floorSchema } from '../../src/apps/authority/floor-schema.ts'
import {
  createRegistry,
  listenersSchema,
  originSchema,
  type Registry,
  registrySchema,
  userTokenSchema,
} from '../../src/apps/authority/registry.ts'
import { pskSchema } from '../../src/apps/authority/psk-registry.ts'
import { createPskVault } from '../../src/apps/authority/psk-vault.ts'
import type { AuthorityTables } from '../../src/apps/authority/schema.ts'
import { batchSchema } from '../../src/apps/authority/token-registry.ts'
import {
  type CreatedToken,
  createEstEnrolService,
  createEstRenewService,
  createJoinRequest,
  createJoinService,
  createPskJoinService,
  createPskKeyService,
  createRenewRequest,
  createRenewService,
  createTokenService,
  type EnrolmentGrant,
  type EstEnrolService,
  type EstRenewService,
  issue,
  type JoinFacts,
  type JoinRequest,
  type JoinService,
  type PrincipalRecord,
  type PskJoinRequest,
  pskJoinAuthenticator,
  type PskJoinService,
  type PskKeyService,
  type RenewRequest,
  type RenewService,
  type RequestKeys,
  type TokenService,
  type TokenSpecification,
} from '../../src/lifecycle/enrolment/index.ts'
import { type KeyStore, openKeyStore } from '../../src/trust/keys/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../src/trust/pki/index.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { principal, TRUST_DOMAIN } from './pki.ts'
import { createTestRandom } from './random.ts'
import { temporaryFolder } from './temporary.ts'
import { testKey, type TestKey } from './x509.ts'

export const MINUTE_MS = 60_000

/** The parts of an authority that enrol, over one state folder. */
export interface TestEnrolment {
  readonly clock: TestClock
  readonly store: Store<AuthorityTables>
  readonly registry: Registry
  readonly ca: CertificateAuthority
  readonly tokens: TokenService
  readonly joins: JoinService
  readonly renewals: RenewService
  readonly pskJoins: PskJoinService
  readonly pskKeys: PskKeyService
  readonly estEnrolments: EstEnrolService
  readonly estRenewals: EstRenewService
}

/** What a test or a process of its own opens an enrolment with. */
export interface EnrolmentPlace {
  /** Where the registry lies. */
  readonly folder: string
  readonly keys: KeyStore
  readonly clock: TestClock
  readonly random: Random
}

/** Opens the enrolment of a folder; a second time, after closing its store, is a restart. */
export function openEnrolment(place: EnrolmentPlace): TestEnrolment {
  const { folder, keys, clock, random } = place
  const store = openStore<AuthorityTables>(
    { clock, log: silentLog },
    {
      path: join(folder, 'registry.db'),
      migrations: [
        { version: 1, ...registrySchema },
        { version: 2, ...listenersSchema },
        { version: 3, ...floorSchema },
        { version: 4, ...pskSchema },
        { version: 5, ...originSchema },
        { version: 6, ...batchSchema },
        { version: 7, ...userTokenSchema },
        { version: 8, ...floorLookupSchema },
      ],
    },
  )
  const registry = createRegistry(store)
  const ca = createCertificateAuthority({ clock, random, keys }, { trustDomain: TRUST_DOMAIN })
  const tokenRoot = Secret.copy(sha256(utf8('token root of the tests')))
  const tokens = createTokenService({ clock, random, store: registry, tokenRoot })
  const joins = createJoinService(
    { clock, random, store: registry, ca, tokens },
    { trustDomain: TRUST_DOMAIN },
  )
  const renewals = createRenewService({ clock, store: registry, ca })
  const vault = createPskVault({ random, keys })
  const pskJoins = createPskJoinService(
    { clock, random, store: registry, tokens, vault },
    { trustDomain: TRUST_DOMAIN },
  )
  const pskKeys = createPskKeyService({ clock, random, store: registry, vault })
  const estEnrolments = createEstEnrolService(
    { clock, random, store: registry, ca, tokens },
    { trustDomain: TRUST_DOMAIN },
  )
  const estRenewals = createEstRenewService({ clock, store: registry, ca })
  const joining = { joins, renewals, pskJoins, pskKeys, estEnrolments, estRenewals }
  return { clock, store, registry, ca, tokens, ...joining }
}

/** Opens or makes the CA's key store of a folder. */
export function openAuthorityKeys(folder: string, random: Random): KeyStore {
  return openKeyStore({ random }, { directory: join(folder, 'keys'), unlock: { kind: 'file' } })
}

let sharedKeys: KeyStore | undefined

/** One key store for all tests of a file: its CA is made once, then opened. */
function authorityKeys(): KeyStore {
  if (sharedKeys) return sharedKeys
  const folder = mkdtempSync(join(tmpdir(), 'kos-test-'))
  const keys = openAuthorityKeys(folder, createTestRandom('authority keys'))
  // Not a hook of the test runner: inside a test it would end with that test.
  process.once('exit', () => {
    keys.close()
    rmSync(folder, { recursive: true, force: true })
  })
  createCertificateAuthority(
    { clock: createTestClock(), random: createTestRandom('authority'), keys },
    { trustDomain: TRUST_DOMAIN },
  )
  return (sharedKeys = keys)
}

/** An enrolment in a folder of its own, with the active user `alice`. */
export interface TestFleet extends TestEnrolment {
  readonly owner: PrincipalRecord
  /** Opens the same registry again, as after a restart. */
  restart(): TestEnrolment
}

/** Makes an enrolment with an empty registry and one user; everything ends with the test. */
export async function createFleet(context: TestContext): Promise<TestFleet> {
  const folder = temporaryFolder(context)
  const clock = createTestClock()
  const place = { folder, keys: authorityKeys(), clock, random: createTestRandom('fleet') }
  const enrolment = openEnrolment(place)
  context.after(() => enrolment.store.close())
  const restart = (): TestEnrolment => {
    enrolment.store.close()
    const again = openEnrolment({ ...place, random: createTestRandom('restarted') })
    context.after(() => again.store.close())
    return again
  }
  return { ...enrolment, owner: (await createUser(enrolment, 'alice')).record, restart }
}

/** Registers a user the way an authority makes its operators: without a token. */
export async function createUser(
  { registry, ca }: Pick<TestEnrolment, 'registry' | 'ca'>,
  id: string,
  changes: Partial<PrincipalRecord> = {},
): Promise<{ readonly record: PrincipalRecord; readonly device: TestDevice }> {
  const device = createDevice()
  const named = principal('user', id)
  const certificate = issue(ca, {
    principal: named,
    identitySpki: device.identity.spki,
    tlsSpki: device.tls.spki,
    profile: profileOf('SEC-2'),
    generation: 1,
    lifeMs: 30 * 24 * 60 * MINUTE_MS,
  })
  const record: PrincipalRecord = {
    id: named.id,
    uri: named.uri,
    kind: 'user',
    name: id,
    profile: 'SEC-2',
    state: 'active',
    owner: named.uri,
    mac: '000000000000',
    uuid: '00000000-0000-7000-8000-000000000000',
    identitySpki: device.identity.spki,
    kemSpki: undefined,
    logSpkis: [],
    generation: 1,
    generationUsed: true,
    roles: ['operator'],
    groups: [],
    labels: {},
    addresses: [],
    createdAt: certificate.notBefore,
    lastSeenAt: undefined,
    certificateNotBefore: certificate.notBefore,
    certificateNotAfter: certificate.notAfter,
    ...changes,
  }
  await registry.transaction((transaction) => {
    transaction.insertPrincipal(record)
    transaction.insertCertificate(certificate)
  })
  return { record, device }
}

/** Asks for a token of `alice`; a test changes what it is about. */
export function tokenOf(
  { owner }: Pick<TestFleet, 'owner'>,
  changes: Partial<TokenSpecification> = {},
): TokenSpecification {
  return {
    name: 'camera-1',
    kind: 'device',
    profile: 'SEC-2',
    owner: owner.uri,
    lifeMs: 10 * MINUTE_MS,
    ...changes,
  }
}

/** Creates a token that must be granted. */
export async function createToken(
  fleet: TestFleet,
  changes: Partial<TokenSpecification> = {},
): Promise<CreatedToken> {
  return accepted(await fleet.tokens.create(tokenOf(fleet, changes)))
}

/** A device's keys, in memory. */
export interface TestDevice {
  readonly identity: TestKey
  readonly tls: TestKey
  readonly kem: TestKey
  readonly logs: readonly TestKey[]
}

/** Makes a device; parts of another one can be given. */
export function createDevice(parts: Partial<TestDevice> = {}): TestDevice {
  return {
    identity: parts.identity ?? testKey(),
    tls: parts.tls ?? testKey(),
    kem: parts.kem ?? testKey(),
    logs: parts.logs ?? [testKey('ed25519'), testKey('ml-dsa-44')],
  }
}

/** The keys of a device as a request takes them. */
export function requestKeys({ identity, tls }: TestDevice): RequestKeys {
  return {
    identitySpki: identity.spki,
    identity: coseSignerFromKey(identity.privateKey, sha256(identity.spki)),
    tlsSpki: tls.spki,
    tlsSigner: tls.signer,
  }
}

/** The TLS exporter of one connection: 32 bytes. */
export const exporterOf = (connection: number): Uint8Array => new Uint8Array(32).fill(connection)
/** The exporter of the connection that most tests use. */
export const EXPORTER: Uint8Array = exporterOf(1)

/** A device's join request with a token. */
export function joinRequest(
  device: TestDevice,
  token: CreatedToken,
  changes: Partial<JoinFacts> & { readonly exporter?: Uint8Array } = {},
): JoinRequest {
  const { exporter = EXPORTER, ...facts } = changes
  return createJoinRequest(
    requestKeys(device),
    {
      tokenId: token.record.id,
      secret: token.secret,
      mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      kemSpki: device.kem.spki,
      logSpkis: device.logs.map(({ spki }) => spki),
      addresses: ['camera-1.example:7402'],
      ...facts,
    },
    exporter,
  )
}

/** A join request for a pre-shared key; a test changes what the device says of itself. */
export function pskJoinRequest(
  token: CreatedToken,
  changes: Partial<PskJoinRequest> & { readonly exporter?: Uint8Array } = {},
): PskJoinRequest {
  const { exporter = EXPORTER, ...fields } = changes
  const statement = {
    tokenId: token.record.id,
    nonce: new Uint8Array(32).fill(1),
    mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
    logSpkis: [testKey('ed25519').spki, testKey('ml-dsa-44').spki],
    ...fields,
  }
  return { ...statement, authenticator: pskJoinAuthenticator(token.secret, exporter, statement) }
}

/** A device's renewal request from the generation that it holds. */
export function renewRequest(
  device: TestDevice,
  held: { readonly principalId: string; readonly generation: number },
  changes: { readonly addresses?: readonly string[]; readonly exporter?: Uint8Array } = {},
): RenewRequest {
  const { addresses = [], exporter = EXPORTER } = changes
  const { principalId, generation } = held
  return createRenewRequest(requestKeys(device), { principalId, generation, addresses }, exporter)
}

/** A device that has joined. */
export interface Joined {
  readonly device: TestDevice
  readonly grant: EnrolmentGrant
}

/** Joins a new device that must be admitted. */
export async function joined(
  fleet: TestFleet,
  changes: Partial<TokenSpecification> = {},
): Promise<Joined> {
  const device = createDevice()
  const token = await createToken(fleet, changes)
  const { grant } = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  return { device, grant }
}

/** Notes that the newest certificate was seen in use, as a session does. */
export function markUsed({ registry }: TestEnrolment, id: string): Promise<void> {
  return registry.change(id, { generationUsed: true })
}

/** The result, which must not be a refusal. */
export function accepted<T>(result: T): Exclude<T, Refusal> {
  if (isRefusal(result)) assert.fail(`refused: ${result.code} ${result.rule}`)
  return result as Exclude<T, Refusal>
}

/** Asserts a refusal by code and rule. */
export function assertRefused(result: unknown, code: string, rule: string): void {
  if (!isRefusal(result)) assert.fail('not refused')
  assert.equal(`${result.code} ${result.rule}`, `${code} ${rule}`)
}

/** Asserts equality of contents: stored bytes come back as another class. */
export function assertSame(actual: unknown, expected: unknown): void {
  assert.deepEqual(plain(actual), plain(expected))
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value)
  if (Array.isArray(value)) return value.map((item) => plain(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}
