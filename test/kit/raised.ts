/** Devices whose profile rises, by evidence that only tests take for hardware. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import {
  equalBytes,
  isRefusal,
  type Refusal,
  refuse,
  silentLog,
  systemRandom,
} from '../../src/foundation/base/index.ts'
import {
  createPeerRuntime,
  type Member,
  memberSelf,
  openMember,
  type PeerRuntime,
  raiseMembership,
} from '../../src/apps/node/index.ts'
import type { EvidenceAppraiser, JoinLine } from '../../src/lifecycle/enrolment/index.ts'
import { parseJoinLine } from '../../src/lifecycle/enrolment/index.ts'
import { createAdmission } from '../../src/network/admission/index.ts'
import { SESSION_LIMITS } from '../../src/network/session/index.ts'
import type { TestFabric, TestNode } from './fabric.ts'

/** Evidence of a device of the tests: bound to one connection and one TLS key, as a quote would be. */
export const testEvidence = (binding: Uint8Array): Uint8Array =>
  createHmac('sha256', 'hardware of the tests').update(binding).digest()

/** Takes {@link testEvidence} for hardware. */
export const testAppraiser: EvidenceAppraiser = {
  refuseProfile: () => undefined,
  appraise: ({ evidence, binding }) =>
    evidence && equalBytes(evidence, testEvidence(binding))
      ? undefined
      : refuse('KOS_ENROLMENT_PROFILE', 'raise/evidence'),
}

/** The line that the operator gets for a raise. */
export async function raiseLine(
  fabric: TestFabric,
  name: string,
  profile: string = 'SEC-3',
): Promise<JoinLine> {
  const made = await fabric.kosctl(['devices', 'raise', name, '--profile', profile])
  const line = parseJoinLine(made.out)
  assert.ok(!isRefusal(line), `${made.out}${made.err}`)
  return line
}

/** A member of a folder, closed with the test. */
export function memberOf(
  context: { after(end: () => void): void },
  fabric: TestFabric,
  folder: string,
): Member {
  const member = openMember({ clock: fabric.clock, random: systemRandom }, { folder })
  assert.ok(member, `${folder} holds a membership`)
  context.after(() => member.close())
  return member
}

/** Stops a node and raises it, with genuine evidence. */
export async function raiseNode(
  context: { after(end: () => void): void },
  fabric: TestFabric,
  node: TestNode,
): Promise<{ readonly member: Member; readonly refusal: Refusal | undefined }> {
  const line = await raiseLine(fabric, node.name)
  await node.running.stop()
  const member = memberOf(context, fabric, node.folder)
  const refusal = await raiseMembership(member, { line, evidence: testEvidence })
  return { member, refusal }
}

/** Dials as a member, as a program with its keys would. */
export function dialAs(
  context: { after(end: () => Promise<void>): void },
  member: Member,
): PeerRuntime {
  const { clock } = member
  const runtime = createPeerRuntime(
    {
      clock,
      random: systemRandom,
      log: silentLog,
      admission: createAdmission({ clock, onRefusals: () => undefined }),
      self: memberSelf(member),
    },
    SESSION_LIMITS,
  )
  context.after(() => runtime.close())
  return runtime
}
