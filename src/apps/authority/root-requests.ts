import type { Log, Refusal } from '../../foundation/base/index.ts'
import { type CertificateAuthority, pkiErrors, type RootStep } from '../../trust/pki/index.ts'
import type { CaStatus, RootRequestView } from './api-schema-ca.ts'
import { refuseCa, withHint } from './hints.ts'

/** What root keys that are kept elsewhere are asked for, in the operator's hand. */
export interface RootRequests {
  /**
   * Asks for a step, or again for the one that waits.
   *
   * @param step - what is to be said
   * @param by - the operator who asks
   * @returns the request to be carried to the root keys, or a refusal KOS_AUTHORITY_CA
   */
  ask(step: RootStep, by: string): RootRequestView | Refusal
  /** Forgets the request that waits. */
  cancel(): CaStatus | Refusal
  /** Takes what the root keys signed, and tells everybody. */
  answer(bytes: Uint8Array): CaStatus | Refusal
}

interface RootRequestsDeps {
  readonly log: Log
  readonly ca: CertificateAuthority
  status(): CaStatus
  /** The bundle in force is another one. */
  onChanged(): void
}

const REMEDIES: Readonly<Record<string, string>> = {
  intermediates: 'Look at "kosctl ca status": a second intermediate is permitted, or none yet.',
  pending: 'Import its answer first, or forget it: kosctl ca request cancel.',
}

/** Makes the operator's hand on requests to root keys that are kept elsewhere. */
export function createRootRequests(deps: RootRequestsDeps): RootRequests {
  const { ca, log } = deps
  return {
    ask: (step, by) => {
      try {
        const request = ca.requestRoots(step, by)
        const { era, number } = ca.pendingRequest() ?? ca.trust
        log.event('ca.requested', { state: step.kind, number })
        return { request: Buffer.from(request).toString('base64'), era, number }
      } catch (error) {
        if (!pkiErrors.has(error) || error.code !== 'KOS_PKI_STATE') throw error
        return refused(String(error.details['rule']))
      }
    },
    cancel: () => {
      if (!ca.pendingRequest()) return refused('no-request')
      ca.cancelRequest()
      return deps.status()
    },
    answer: (bytes) => {
      const refusal = ca.installAnswer(bytes)
      if (refusal) return withHint(refusal)
      log.event('ca.answered', { number: ca.trust.number })
      deps.onChanged()
      return deps.status()
    },
  }
}

function refused(rule: string): Refusal {
  const remedy = REMEDIES[rule] ?? 'See what waits and what is permitted: kosctl ca status.'
  return refuseCa(rule, remedy)
}
