/** A fleet of members with keys of their own, registered and ready to run: what storms are made of. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type Clock, silentLog, systemRandom } from '../../src/foundation/base/index.ts'
import {
  type AuthorityState,
  closeAuthorityState,
  openAuthorityState,
} from '../../src/apps/authority/authority-state.ts'
import {
  type AuthorityOptions,
  type RunningAuthority,
  startAuthority,
} from '../../src/apps/authority/index.ts'
import { createPublisher } from '../../src/apps/authority/publisher.ts'
import {
  ensurePrincipalKeys,
  ensureTlsKey,
  type HostPort,
  OBJECT_KINDS,
  openMemberKeys,
  storeMembership,
  writeObject,
} from '../../src/apps/node/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import { issue } from '../../src/lifecycle/enrolment/index.ts'
import { type AdmissionLimits, requestsForConnections } from '../../src/network/admission/index.ts'
import { deriveDeviceId } from '../../src/trust/pki/index.ts'
import { benchPrincipal, benchRecord, benchTrustDomain } from './fleet.ts'

const PROFILE = profileOf('SEC-2')
const LOOPBACK = '127.0.0.1'

/** Where a fleet lies and is reached. */
export interface LivingFleet {
  /** State folder of the authority, with the operator's credential in `operator`. */
  readonly folder: string
  readonly api: HostPort
  readonly session: HostPort
  /** Folder of each member. */
  readonly members: readonly string[]
}

/** The totals are the defaults; what is counted per address is not, since all come from one. */
export const ONE_ADDRESS: Partial<AdmissionLimits> = Object.freeze({
  connectionRate: { perSecond: 100_000, burst: 100_000 },
  connectionsPerSource: 4096,
  halfOpenPerSource: 64,
  penaltyMs: { abandoned: 0, authentication: 0, handshake: 0, protocol: 0, timeout: 0 },
})

/** Makes an authority with so many members, which run nowhere yet. */
export async function createLivingFleet(
  clock: Clock,
  place: { readonly folder: string; readonly membersFolder: string; readonly file: string },
  count: number,
): Promise<LivingFleet> {
  const { folder, membersFolder, file } = place
  const deps = { clock, random: systemRandom, log: silentLog }
  const state = await openAuthorityState(deps, { folder, trustDomain: benchTrustDomain() })
  const [api, session] = [await freePort(), await freePort()]
  const objects = publishedBy(state, clock, session)
  const members = Array.from({ length: count }, (_, index) => join(membersFolder, `${index}`))
  for (const [index, memberFolder] of members.entries()) {
    const member = { name: `member-${index}`, folder: memberFolder, api, session }
    await register(state, member)
    for (const kind of OBJECT_KINDS) writeObject(memberFolder, kind, objects[kind]())
  }
  await closeAuthorityState(state)
  const fleet: LivingFleet = { folder, api, session, members }
  writeFileSync(file, JSON.stringify(fleet), { mode: 0o600 })
  return fleet
}

/** Starts the authority of a fleet where its members know it. */
export function startLivingAuthority(
  clock: Clock,
  { folder, api, session }: LivingFleet,
): Promise<RunningAuthority> {
  const options: AuthorityOptions = {
    folder,
    trustDomain: benchTrustDomain(),
    listen: api,
    sessionListen: session,
    fixedPorts: { api: true, session: true },
    listeners: [],
    advertiseHost: undefined,
    names: { dnsNames: ['localhost'], ipAddresses: [LOOPBACK] },
    operator: { folder: join(folder, 'operator'), name: 'bench' },
    admission: ONE_ADDRESS,
    requestRate: requestsForConnections({ perSecond: 10_000, burst: 10_000 }),
  }
  return startAuthority({ clock, random: systemRandom, log: silentLog }, options)
}

/** The objects as the authority will serve them: what members kept when it was there last. */
function publishedBy(
  state: AuthorityState,
  clock: Clock,
  session: HostPort,
): ReturnType<typeof createPublisher> {
  const { ca, registry, principal, identity } = state
  return createPublisher(
    { clock, log: silentLog, ca, registry, onPublished: () => undefined },
    {
      uri: principal.uri,
      name: 'authority',
      addresses: [`${session.host}:${session.port}`],
      listeners: { 'SEC-2': [`${session.host}:${session.port}`] },
      identityKeyHash: identity.keyId,
      profile: PROFILE.name,
      roles: [],
      groups: [],
      labels: {},
    },
  )
}

async function register(
  state: AuthorityState,
  member: {
    readonly name: string
    readonly folder: string
    readonly api: HostPort
    readonly session: HostPort
  },
): Promise<void> {
  const { ca, registry } = state
  const { name, folder, api, session } = member
  const keys = openMemberKeys({ random: systemRandom }, folder)
  ensurePrincipalKeys(keys)
  const tls = ensureTlsKey(keys, 1)
  const identity = keys.require('identity')
  const uuid = systemRandom.uuidv7()
  const facts = { mac: new Uint8Array(6), uuid, identitySpki: identity.spki }
  const principal = benchPrincipal(ca, 'device', deriveDeviceId(facts))
  const certificate = issue(ca, {
    principal,
    identitySpki: identity.spki,
    tlsSpki: tls.spki,
    profile: PROFILE,
    generation: 1,
    lifeMs: undefined,
  })
  const { notBefore, notAfter } = certificate
  await registry.transaction((transaction) => {
    transaction.insertPrincipal(
      benchRecord(principal, {
        name,
        uuid,
        identitySpki: identity.spki,
        kemSpki: keys.require('kem').spki,
        logSpkis: ['log-ed25519', 'log-ml-dsa-44'].map((key) => keys.require(key).spki),
        certificateNotBefore: notBefore,
        certificateNotAfter: notAfter,
      }),
    )
    transaction.insertCertificate(certificate)
  })
  storeMembership(keys, {
    principal,
    name,
    profile: PROFILE.name,
    generation: 1,
    tlsKey: 'tls-g1',
    leaf: certificate.der,
    host: api.host,
    port: api.port,
    session: `${session.host}:${session.port}`,
    pin: ca.pin,
  })
  keys.close()
}

/** A port that was free a moment ago: the authority comes back on it. */
function freePort(): Promise<HostPort> {
  const { promise, resolve, reject } = Promise.withResolvers<HostPort>()
  const server = createServer()
  server.once('error', reject)
  server.listen(0, LOOPBACK, () => {
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    server.close(() => resolve({ host: LOOPBACK, port }))
  })
  return promise
}
