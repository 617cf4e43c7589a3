import type { Clock, MonotonicMs, Refusal } from '../../foundation/base/index.ts'
import { type AuthorityAnswer, refusalOf } from './authority-client.ts'
import type { Member } from './member.ts'

/** Who is locked out asks in vain: not more often than this. */
const ASK_INTERVAL_MS = 10 * 60 * 1000
/** A session that was ended by the other end, which never says why. */
const ENDED = 'KOS_SESSION_CLOSED'
const TIMEOUT_MS = 3000

/** Finds out whether the authority does not take the own certificate any more. */
export interface CertificateQuestion {
  /**
   * Asks when a session could not be had, and not too often.
   *
   * @param refusal - why there is no session
   * @returns `true` when the certificate was revoked, or the member is locked
   * @throws {@link KosError} as `connectAuthority`
   */
  isRefused(refusal: Refusal): Promise<boolean>
}

/**
 * Makes the question of a member whose certificate may have been revoked: it has its identity key yet,
 * and gets another one.
 */
export function createCertificateQuestion(deps: {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly member: Member
}): CertificateQuestion {
  let asked: { readonly atMs: MonotonicMs; readonly generation: number } | undefined
  return {
    isRefused: async ({ code }) => {
      const nowMs = deps.clock.monotonicMs()
      const { generation, psk } = deps.member.membership
      // Another certificate is another question.
      const isRecent = asked?.generation === generation && nowMs - asked.atMs < ASK_INTERVAL_MS
      if (code !== ENDED || isRecent || psk) return false
      asked = { atMs: nowMs, generation }
      const client = await deps.member.connectAuthority(TIMEOUT_MS)
      try {
        // Not signed: with a certificate that counts the answer is another "no", about the signature.
        const request = { method: 'GET', path: '/v1/objects', body: undefined, headers: {} }
        return isCertificateRefusal(await client.exchange(request))
      } finally {
        client.close()
      }
    },
  }
}

/** Whether the authority refused a request because of the certificate that came with it. */
export function isCertificateRefusal(answer: AuthorityAnswer): boolean {
  return answer.status === 403 && /^guard\/[a-z]+\/certificate$/.test(refusalOf(answer).rule)
}
