/**
 * Peers of any floor over real sockets: leaves of a real authority, software keys where hardware would
 * be, and, where a test says so, an end that admits what nobody can prove yet.
 */
import type { TestContext } from 'node:test'
import {
  isRefusal,
  type Principal,
  sha256,
  silentLog,
  systemClock,
  systemRandom,
} from '../../src/foundation/base/index.ts'
import { coseSignerFromKey } from '../../src/foundation/codec/index.ts'
import { profileOf, type ProfileName } from '../../src/foundation/profiles/index.ts'
import { createPeerRuntime, type PeerRuntime, type PeerSelf } from '../../src/apps/node/index.ts'
import { refuseUnpinned } from '../../src/apps/node/pins.ts'
import { createAdmission } from '../../src/network/admission/index.ts'
import { SESSION_LIMITS } from '../../src/network/session/index.ts'
import {
  createDirectoryState,
  createPeerVerifier,
  type DirectoryEntryInput,
  type DirectoryState,
  encodeDirectory,
  type SignedNumbered,
  signSuccessor,
} from '../../src/trust/pki/index.ts'
import { CROWD } from './fabric.ts'
import { DAY_MS, principal } from './pki.ts'
import { createTlsAuthority, type TlsAuthority } from './tls-authority.ts'
import { must } from './transport.ts'
import { testKey } from './x509.ts'

/** A peer with a floor. */
export interface ProfiledPeer {
  readonly principal: Principal
  readonly floor: ProfileName
  readonly runtime: PeerRuntime
  readonly directory: DirectoryState
  /** What the directory should say of it. */
  readonly entry: DirectoryEntryInput
  /** Opens a listener on loopback and says where. */
  listen(profile: ProfileName): Promise<{ readonly host: string; readonly port: number }>
}

/** Peers of one authority. */
export interface ProfiledPeers {
  readonly authority: TlsAuthority
  /** @param how - floor, and whether it admits peers whose evidence nobody can check yet */
  peer(name: string, how: { readonly floor: ProfileName; readonly admits?: boolean }): ProfiledPeer
  /** Signs a directory of these entries and hands it to some peers. */
  publish(entries: readonly DirectoryEntryInput[], to: readonly ProfiledPeer[]): void
}

/** Makes peers; they end with the test. */
export function createProfiledPeers(context: TestContext): ProfiledPeers {
  const authority = createTlsAuthority(context)
  const { ca } = authority
  let held: SignedNumbered | undefined
  return {
    authority,
    peer: (name, how) => profiledPeer(context, authority, { name, ...how }),
    publish: (entries, to) => {
      const next = { held: held?.object, era: 1, body: encodeDirectory(entries) }
      held = signSuccessor(
        'directory',
        { ...next, issuedAt: systemClock.wallMs() },
        ca.signers.directory.coseSigner(),
      )
      for (const { directory } of to) {
        const applied = directory.apply(held.bytes)
        if (isRefusal(applied)) throw new Error(applied.rule)
      }
    },
  }
}

function profiledPeer(
  context: TestContext,
  authority: TlsAuthority,
  how: { readonly name: string; readonly floor: ProfileName; readonly admits?: boolean },
): ProfiledPeer {
  const { ca } = authority
  const { floor, name } = how
  const who = principal('agent', name)
  const key = testKey()
  const identityKeyHash = sha256(key.spki)
  const leaf = { floor, generation: 1, identityKeyHash } as const
  const certificate = authority.identity({ principal: who, identity: leaf, lifeMs: DAY_MS })
  const verifier = createPeerVerifier()
  const directory = createDirectoryState({ trust: () => ca.trust })
  const verify: ReturnType<PeerSelf['authenticator']>['verifyPeer'] = (leafDer, purpose, nowMs) =>
    verifier.verify(leafDer, { bundle: ca.trust, purpose, nowMs })
  const self: PeerSelf = {
    profile: profileOf(floor),
    certificateIdentity: () => certificate,
    authenticator: () => ({
      own: () => ({
        principal: who,
        floor: profileOf(floor),
        identitySpki: key.spki,
        identitySigner: coseSignerFromKey(key.privateKey, identityKeyHash),
      }),
      verifyPeer: verify,
      ...(how.admits && { admit: () => undefined }),
    }),
    verifyPeer: (leafDer, purpose) => {
      const peer = verify(leafDer, purpose, systemClock.wallMs())
      return isRefusal(peer) ? peer : undefined
    },
    pin: (peer) => refuseUnpinned(directory, peer),
    recheck: () => undefined,
    helloState: () => ({ updateCounter: 0 }),
  }
  const admission = createAdmission(
    { clock: systemClock, onRefusals: () => undefined },
    { limits: CROWD },
  )
  const runtime = createPeerRuntime(
    { clock: systemClock, random: systemRandom, log: silentLog, admission, self },
    SESSION_LIMITS,
  )
  context.after(() => runtime.close())
  const entry: DirectoryEntryInput = {
    uri: who.uri,
    name,
    addresses: [],
    identityKeyHash,
    profile: floor,
    roles: [],
    groups: [],
    labels: {},
  }
  return {
    principal: who,
    floor,
    runtime,
    directory,
    entry,
    listen: async (profile) =>
      must(await runtime.listen(profileOf(profile), [{ host: '127.0.0.1', port: 0 }])),
  }
}
