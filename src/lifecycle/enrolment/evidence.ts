import { refuse, type Refusal } from '../../foundation/base/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import type { PrincipalRecord } from './records.ts'

/** Evidence as a device sent it with a request, and what it has to be about. */
export interface EvidenceClaim {
  readonly principal: PrincipalRecord
  /** The profile that it is to prove. */
  readonly wanted: Profile
  /** As sent: not yet looked at. */
  readonly evidence: Uint8Array | undefined
  /** 32 bytes of this connection and this TLS key: evidence for anything else is a replay. */
  readonly binding: Uint8Array
}

/**
 * Appraises what profiles demand beyond a token and keys.
 *
 * **Security:** what this port accepts is what the profile is worth; it is asked inside the transaction
 * that raises the floor.
 */
export interface EvidenceAppraiser {
  /** Whether evidence of a profile can be appraised here at all; asked before a token is made. */
  refuseProfile(profile: Profile): Refusal | undefined
  /** Refuses evidence that does not prove the profile. */
  appraise(claim: EvidenceClaim): Refusal | undefined
}

/** Appraises nothing: profiles that need hardware evidence are refused. */
export const noHardwareEvidence: EvidenceAppraiser = Object.freeze({
  refuseProfile: (profile: Profile) => unappraised(profile),
  appraise: ({ wanted }: EvidenceClaim) => unappraised(wanted),
})

function unappraised({ name }: Profile): Refusal {
  return refuse('KOS_ENROLMENT_PROFILE', 'raise/hardware-evidence', {
    remedy: `${name} needs hardware evidence, which this authority cannot appraise yet.`,
    details: { profile: name },
  })
}
