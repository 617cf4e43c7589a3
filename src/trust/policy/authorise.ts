import { isRefusal, type Refusal } from '../../foundation/base/index.ts'
import {
  type Authenticated,
  type Authorised,
  type CallRequest,
  mintAuthorised,
} from '../../foundation/pipeline/index.ts'
import type { PendingGrant, PolicyGrant } from './decision.ts'
import type { PolicyEngine } from './engine.ts'
import { policyErrors } from './errors.ts'
import type { CommandEffects, Obligation } from './manifest.ts'
import type { SubjectFacts } from './subject.ts'

/** What policy needs to know of a command; the catalog's entry has it. */
export interface CommandFacts {
  readonly name: string
  readonly domain: 'rpc' | 'fabric'
  readonly permission: string
  readonly effects: CommandEffects
}

/** The stage between authentication and validation, as commands/execution declares it. */
export interface AuthorisePort {
  /**
   * Decides a call by policy.
   *
   * @returns the minted stage (with `decideArguments` when a rule looks at argument values), or the
   *   refusal
   */
  authorise(
    authenticated: Authenticated,
    call: CallRequest,
    command: CommandFacts,
  ): Authorised | Refusal
  /**
   * Decides again, by the policy in force now, whether a call that runs may go on. Uses no rate up.
   *
   * @param canonicalArguments - as the command got them
   */
  refuseRunning(
    authenticated: Authenticated,
    command: CommandFacts,
    canonicalArguments: unknown,
  ): Refusal | undefined
}

/** Port: what is known of both ends of a call, from the certificate and the directory. */
export interface AuthoriseFacts {
  /** This daemon. The same frozen object until the directory changes. */
  selfFacts(): SubjectFacts
  /** The peer: uri and floor from the verified leaf. The same frozen object while they hold. */
  peerFacts(authenticated: Authenticated): SubjectFacts | Refusal
  /** Obligations that this daemon guarantees for the call; none when absent. */
  fulfilled?(authenticated: Authenticated): readonly Obligation[]
}

/**
 * Creates the stage that authorises calls: the only place that mints `Authorised`.
 *
 * @param engine - the policy in force
 * @param facts - who the two ends are
 * @throws {@link KosError} (from `authorise`) KOS_POLICY_FACTS when the facts name another
 *   principal or profile than the session proved
 */
export function createAuthorisePort(engine: PolicyEngine, facts: AuthoriseFacts): AuthorisePort {
  return Object.freeze({
    authorise(
      authenticated: Authenticated,
      call: CallRequest,
      command: CommandFacts,
    ): Authorised | Refusal {
      const from = facts.peerFacts(authenticated)
      if (isRefusal(from)) return from
      requireProven(from, authenticated)
      const decision = engine.decide({
        from,
        to: facts.selfFacts(),
        domain: command.domain,
        action: command.name,
        catalogEntry: command,
        fulfilled: facts.fulfilled?.(authenticated),
      })
      if (isRefusal(decision)) return decision
      if (decision.allow === 'pending') {
        const decideArguments = argumentDecision(engine, { from, pending: decision })
        return mintAuthorised(authenticated, { call, grant: decision.provisional, decideArguments })
      }
      const limited = engine.admit(decision, from)
      if (limited !== undefined) return limited
      return mintAuthorised(authenticated, { call, grant: decision, decideArguments: undefined })
    },
    refuseRunning(
      authenticated: Authenticated,
      command: CommandFacts,
      canonicalArguments: unknown,
    ): Refusal | undefined {
      const from = facts.peerFacts(authenticated)
      if (isRefusal(from)) return from
      requireProven(from, authenticated)
      const request = {
        from,
        to: facts.selfFacts(),
        domain: command.domain,
        action: command.name,
        catalogEntry: command,
        fulfilled: facts.fulfilled?.(authenticated),
      }
      const decision = engine.decide(request)
      if (isRefusal(decision)) return decision
      if (decision.allow !== 'pending') return undefined
      const decided = decision.decideArguments(canonicalArguments)
      return isRefusal(decided) ? decided : undefined
    },
  })
}

/** The rate counts once the grant is final: a call that its arguments forbid uses nothing up. */
function argumentDecision(
  engine: PolicyEngine,
  { from, pending }: { readonly from: SubjectFacts; readonly pending: PendingGrant },
): (canonicalArguments: unknown) => PolicyGrant | Refusal {
  return (canonicalArguments) => {
    const decision = pending.decideArguments(canonicalArguments)
    return isRefusal(decision) ? decision : (engine.admit(decision, from) ?? decision)
  }
}

/** A mix-up of two peers' facts would hand one the rights of the other. */
function requireProven(facts: SubjectFacts, { peer }: Authenticated): void {
  if (facts.uri !== peer.principal.uri || facts.floor !== peer.floor) {
    throw policyErrors.error('KOS_POLICY_FACTS', { peer: peer.principal.uri })
  }
}
