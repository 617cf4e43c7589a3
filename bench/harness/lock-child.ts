/**
 * Many members in one process: each has a runtime, TLS sessions and a lock list of its own.
 * `node bench/harness/lock-child.ts <fleet file> <first> <count>`, driven over IPC.
 */
import { readFileSync } from 'node:fs'
import {
  isRefusal,
  parsePrincipal,
  type Principal,
  Secret,
  sha256,
  silentLog,
  systemClock,
  systemRandom,
} from '../../src/foundation/base/index.ts'
import { coseSignerFromKey } from '../../src/foundation/codec/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import {
  createFabricState,
  createPeerRuntime,
  FABRIC,
  type HostPort,
  type PeerRuntime,
  type PeerSelf,
} from '../../src/apps/node/index.ts'
import { createAdmission } from '../../src/network/admission/index.ts'
import { SESSION_LIMITS } from '../../src/network/session/index.ts'
import { createPeerVerifier, createTrustState } from '../../src/trust/pki/index.ts'
import { answerParent } from './child-process.ts'
import { identityOf, type LockFleet, type LockMember } from './lock-fleet.ts'
import type { LockRequest, LockTimes } from './messages.ts'
import { must } from './fleet.ts'
import { LOCK_ADMISSION } from './lock-limits.ts'

const DIALS_AT_ONCE = 8
const [file = '', first = '0', count = '1'] = process.argv.slice(2)
const fleet = JSON.parse(readFileSync(file, 'utf8')) as LockFleet
const profile = profileOf('SEC-2')
const trust = createTrustState({ pin: fleet.pin })
trust.apply(Buffer.from(fleet.bundle, 'base64'))
const verifier = createPeerVerifier()

/** CLOCK_MONOTONIC, the same in all processes. */
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

interface Member {
  readonly uri: string
  readonly runtime: PeerRuntime
  /** When the pushed list came, and when the session with the target was over. */
  heardMs: number
  closedMs: number
}

function createMember(facts: LockMember): Member {
  const principal = parsePrincipal(facts.uri) as Principal
  const { privateKey, spki } = identityOf(facts)
  const fabric = createFabricState(trust, {
    onGenuine: () => undefined,
    acceptManifest: () => undefined,
  })
  must(fabric.apply('locks', Buffer.from(fleet.locks, 'base64')))
  const own = {
    principal,
    floor: profile,
    identitySpki: spki,
    identitySigner: coseSignerFromKey(privateKey, sha256(spki)),
  }
  const verify: PeerSelf['authenticator'] = () => ({
    own: () => own,
    verifyPeer: (leafDer, purpose, now) => {
      const question = { bundle: fabric.bundle, purpose, nowMs: now }
      const verified = verifier.verify(leafDer, question)
      return isRefusal(verified) ? verified : (fabric.locks.check(verified) ?? verified)
    },
  })
  const self: PeerSelf = {
    profile,
    certificateIdentity: () => ({
      kind: 'certificate',
      certificateChainPem: facts.chainPem,
      privateKeyPem: Secret.copy(Buffer.from(fleet.tlsKeyPem)),
      trustedCaPem: fleet.trustedPem,
    }),
    authenticator: verify,
    verifyPeer: (leafDer, purpose) => {
      const verified = verify().verifyPeer(leafDer, purpose, systemClock.wallMs())
      return isRefusal(verified) ? verified : undefined
    },
    pin: () => undefined,
    recheck: (peer) => fabric.locks.check(peer),
    helloState: () => ({ updateCounter: 0 }),
  }
  const runtime = createPeerRuntime(
    {
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      admission: createAdmission(
        { clock: systemClock, onRefusals: () => undefined },
        { limits: LOCK_ADMISSION },
      ),
      self,
      onCall: (_authenticated, { command, arguments: given }) => {
        const { locks } = given as { readonly locks?: Uint8Array }
        if (command === FABRIC.notice && locks) {
          member.heardMs = nowMs()
          if (fabric.apply('locks', locks) === 'newer') runtime.recheckSessions()
        }
        return { status: 'ok', value: {} }
      },
    },
    SESSION_LIMITS,
  )
  const member: Member = { uri: facts.uri, runtime, heardMs: 0, closedMs: 0 }
  return member
}

const members = fleet.members
  .slice(Number(first), Number(first) + Number(count))
  .map((facts) => createMember(facts))

async function connect(to: LockTarget): Promise<void> {
  const waiting = [...members]
  const lane = async (): Promise<void> => {
    for (let member = waiting.pop(); member; member = waiting.pop()) {
      const { runtime } = member
      const isThere = [...runtime.sessions].some(
        ({ authenticated }) => authenticated.peer.principal.uri === to.uri,
      )
      if (!isThere) await connectMember(member, to)
    }
  }
  await Promise.all(Array.from({ length: DIALS_AT_ONCE }, lane))
}

async function connectMember(member: Member, to: LockTarget): Promise<void> {
  const open = must(await member.runtime.dial(to.at, to.uri))
  if (!to.isTimed) return
  member.closedMs = 0
  void open.session.closed.then(() => {
    member.closedMs = nowMs()
  })
}

interface LockTarget {
  readonly at: HostPort
  readonly uri: string
  /** Whether the end of these sessions is what is measured. */
  readonly isTimed: boolean
}

/** When each member heard of the lock and was rid of the target; none while one is not. */
function times(): LockTimes | undefined {
  if (members.some(({ closedMs }) => closedMs === 0)) return undefined
  return {
    heardMs: members.map(({ heardMs }) => heardMs),
    closedMs: members.map(({ closedMs }) => closedMs),
  }
}

async function perform(request: LockRequest): Promise<unknown> {
  switch (request.kind) {
    case 'connect':
      return connect(request)
    case 'listen': {
      const [member] = members
      const at = await member?.runtime.listen(profile, [{ host: '127.0.0.1', port: 0 }])
      return must(at ?? { host: '', port: 0 })
    }
    case 'times':
      return times()
    case 'stop':
      await Promise.all(members.map(({ runtime }) => runtime.close()))
      return undefined
  }
}

answerParent<LockRequest>(perform)
