import { isRefusal, type Refusal, unixMs } from '../../foundation/base/index.ts'
import {
  createRaiseRequest,
  encodeRaiseRequest,
  evidenceBinding,
  type JoinLine,
} from '../../lifecycle/enrolment/index.ts'
import { connectAuthority } from './authority-client.ts'
import { acceptAnswer, requestKeys, sendEnrolment } from './enrol.ts'
import type { Member } from './member.ts'
import { ensureTlsKey } from './principal-keys.ts'

const TIMEOUT_MS = 10_000

/** How a member asks for a higher profile. */
export interface RaiseOptions {
  /** What `kosctl devices raise` printed. */
  readonly line: JoinLine
  /**
   * What the higher profile demands beyond keys; absent: nothing is shown.
   *
   * @param binding - 32 bytes that the evidence has to cover
   */
  readonly evidence?: (binding: Uint8Array) => Uint8Array
}

/**
 * Raises the profile of a member: it keeps its id and identity key and gets a certificate of the higher
 * profile; every older one dies at once, everywhere. A repeated call after a crash gets the same
 * certificate.
 *
 * @param member - whose profile rises; its membership is updated, durably
 * @returns `undefined` when raised, else the authority's refusal
 * @throws {@link KosError} as `joinAuthority`
 */
export async function raiseMembership(
  member: Member,
  { line, evidence }: RaiseOptions,
): Promise<Refusal | undefined> {
  const { keys, membership, clock } = member
  const tls = ensureTlsKey(keys, membership.generation + 1)
  const { host, port, pin } = line
  const held = member.fabric.bundle
  const target = { host, port, pin, held, identity: undefined, timeoutMs: TIMEOUT_MS }
  const client = await connectAuthority({ clock }, target)
  try {
    const enrolmentKeys = requestKeys(keys, tls)
    const exporter = client.exporter()
    const facts = { tokenId: line.tokenId, secret: line.secret }
    const bare = createRaiseRequest(enrolmentKeys, { ...facts, evidence: NOTHING }, exporter)
    const request = evidence
      ? createRaiseRequest(
          { ...enrolmentKeys, csr: bare.csr },
          { ...facts, evidence: evidence(evidenceBinding(exporter, bare.csr)) },
          exporter,
        )
      : bare
    const answer = await sendEnrolment(client, '/v1/raise', encodeRaiseRequest(request))
    if (isRefusal(answer)) return answer
    clock.raise(unixMs(answer.timeMs))
    acceptAnswer(member, { client, answer, at: { host, port, pin } })
    return undefined
  } finally {
    client.close()
  }
}

const NOTHING = new Uint8Array()
