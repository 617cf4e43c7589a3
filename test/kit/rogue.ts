/** A joined principal whose program does what it likes: it calls and answers as the test says. */
import assert from 'node:assert/strict'
import { isRefusal, silentLog, systemRandom } from '../../src/foundation/base/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import type { CallRequest } from '../../src/foundation/pipeline/index.ts'
import {
  createPeerRuntime,
  FABRIC,
  formatHostPort,
  type HostPort,
  type Member,
  memberSelf,
  type OpenSession,
  openMember,
  parseHostPort,
  type PeerRuntime,
} from '../../src/apps/node/index.ts'
import type { CallOutcome } from '../../src/commands/execution/index.ts'
import { createAdmission } from '../../src/network/admission/index.ts'
import { SESSION_LIMITS, type SessionLimits } from '../../src/network/session/index.ts'
import { CROWD, eventually, joinFolder, type TestFabric, type TestNode } from './fabric.ts'

/** A rogue with a genuine membership. */
export interface Rogue {
  readonly member: Member
  readonly runtime: PeerRuntime
  readonly address: HostPort
  /** Its session with the authority. */
  readonly authority: OpenSession
  /** Opens a session with a node. */
  dial(node: TestNode): Promise<OpenSession>
}

/** Joins a rogue, which listens and stands in the directory; it ends with the test. */
export async function startRogue(
  context: { after(end: () => Promise<void>): void },
  fabric: TestFabric,
  options: {
    readonly name: string
    readonly onCall?: (call: CallRequest) => CallOutcome | Promise<CallOutcome>
    /** Whether its calls wait for another connection. */
    readonly resumes?: boolean
    readonly limits?: Partial<SessionLimits>
  },
): Promise<Rogue> {
  const { name, onCall, resumes } = options
  const folder = `${fabric.folder}/${name}`
  const line = await fabric.joinLine(name)
  const joined = await joinFolder({ folder, line, clock: fabric.clock })
  assert.ok(!isRefusal(joined))
  const member = openMember({ clock: fabric.clock, random: systemRandom }, { folder })
  assert.ok(member)
  const runtime = createPeerRuntime(
    {
      clock: fabric.clock,
      random: systemRandom,
      log: silentLog,
      admission: createAdmission(
        { clock: fabric.clock, onRefusals: () => undefined },
        { limits: CROWD },
      ),
      self: memberSelf(member),
      ...(resumes && { resumes }),
      ...(onCall && { onCall: (_authenticated, call) => onCall(call) }),
    },
    { ...SESSION_LIMITS, ...options.limits },
  )
  context.after(async () => {
    await runtime.close()
    member.close()
  })
  const address = must(
    await runtime.listen(profileOf(member.membership.profile), [{ host: '127.0.0.1', port: 0 }]),
  )
  const at = parseHostPort(member.membership.session)
  const uri = member.fabric.directory.byName('authority')?.uri
  assert.ok(at && uri !== undefined)
  const authority = must(await runtime.dial(at, uri))
  const addresses = [formatHostPort(address)]
  const report = await authority.session.call(FABRIC.report, { addresses })
  assert.equal(report.status, 'ok')
  // Operators know of it from their next look at the directory on.
  await eventually(async () => {
    const { out } = await fabric.kosctl(['devices', 'show', name])
    return out.includes(formatHostPort(address))
  })
  return {
    member,
    runtime,
    address,
    authority,
    dial: async (node) =>
      must(await runtime.dial(node.running.address, node.running.member.membership.principal.uri)),
  }
}

function must<T>(value: T): Exclude<T, { readonly allow: false }> {
  if (isRefusal(value)) throw new Error(`refused: ${value.code} ${value.rule}`)
  return value as Exclude<T, { readonly allow: false }>
}
