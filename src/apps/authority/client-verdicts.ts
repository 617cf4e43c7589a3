import type { TLSSocket } from 'node:tls'
import { isRefusal, type Refusal, refuse } from '../../foundation/base/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import { opensslProblem, type VerdictDisagreement } from '../../network/transport/index.ts'

/** What judging clients of the HTTP API needs. */
export interface ClientVerdictDeps {
  /** The own verdict: the leaf by trust bundle, lock list and registry. */
  identify(leafDer: Uint8Array): PrincipalRecord | Refusal
  /** The anchors that OpenSSL has, PEM. */
  anchorsPem(): readonly string[]
  /** Told of every certificate about which OpenSSL and the own check disagree; it is refused. */
  onDisagreement(found: VerdictDisagreement): void
}

/** Says who the client behind a certificate is, by two verdicts that must agree. */
export type IdentifyClient = (leafDer: Uint8Array, socket: TLSSocket) => PrincipalRecord | Refusal

const CERTIFICATE_VERDICT = 'KOS_PKI_CERTIFICATE'
/** OpenSSL's verdict is taken without time. */
const TIME_RULES: readonly string[] = ['not-yet-valid', 'expired', 'issuer-validity']

/**
 * Joins the own verdict on a client certificate with OpenSSL's, as sessions do. A refusal for another
 * reason than the certificate (a lock, the registry) says nothing of it, so OpenSSL may be content.
 *
 * @param deps - see {@link ClientVerdictDeps}
 */
export function createClientVerdicts(deps: ClientVerdictDeps): IdentifyClient {
  return (leafDer, socket) => {
    const own = deps.identify(leafDer)
    const openssl = opensslProblem(socket, leafDer, deps.anchorsPem())
    if (isAgreed(own, openssl)) return own
    const found = { openssl: openssl ?? 'ok', own: isRefusal(own) ? own.rule : 'ok' }
    deps.onDisagreement({ ...found, source: socket.remoteAddress ?? '-', purpose: 'client' })
    return refuse('KOS_TRANSPORT_VERDICT', `openssl: ${found.openssl}, own: ${found.own}`)
  }
}

function isAgreed(own: PrincipalRecord | Refusal, openssl: string | undefined): boolean {
  if (!isRefusal(own)) return openssl === undefined
  const isAboutCertificate = own.code === CERTIFICATE_VERDICT && !TIME_RULES.includes(own.rule)
  return openssl !== undefined || !isAboutCertificate
}
