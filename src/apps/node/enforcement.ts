import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Clock, isRefusal, type Log, type Refusal } from '../../foundation/base/index.ts'
import {
  type Authenticated,
  type ConnectionFacts,
  type Enforcement,
  NO_ENFORCEMENT,
  type PeerFacts,
} from '../../foundation/pipeline/index.ts'
import { trustProblem } from '../../commands/catalog/index.ts'
import type { createExecutor } from '../../commands/execution/index.ts'
import { parseEnforcement } from '../../network/admission/index.ts'
import type { AuditEvent, AuditLog } from '../../trust/audit/index.ts'
import { probeFips } from '../../trust/keys/index.ts'
import { nodeErrors } from './errors.ts'
import { recordSoon } from './recorders.ts'

/** The enforcement modules of a daemon, and where they come from. */
export interface LoadedEnforcement extends Enforcement {
  readonly file?: { readonly path: string; readonly sha256: string }
}

/**
 * Reads the file of enforcement modules.
 *
 * @param deps - clock of the modules
 * @param path - as `--enforcement` names it; `undefined`: no modules
 * @throws {@link KosError} KOS_NODE_ENFORCEMENT naming what is wrong; the daemon then does not start
 */
export function loadEnforcement(
  deps: { readonly clock: Clock },
  path: string | undefined,
): LoadedEnforcement {
  if (path === undefined) return NO_ENFORCEMENT
  const untrusted = trustProblem(path, process.getuid?.() ?? 0, 'file')
  if (untrusted !== undefined) throw wrong(path, untrusted)
  const text = readFileSync(path, 'utf8')
  const enforcement = parseEnforcement(text, {
    clock: deps.clock,
    isFipsInUse: () => probeFips().isInUse,
    // Nobody witnesses a log yet: a profile that demands it is closed.
    isAuditWitnessed: () => false,
  })
  if (isRefusal(enforcement)) throw wrong(path, enforcement.rule)
  const sha256 = createHash('sha256').update(text).digest('hex')
  return Object.freeze({ ...enforcement, file: { path, sha256 } })
}

function wrong(file: string, rule: string): Error {
  return nodeErrors.error('KOS_NODE_ENFORCEMENT', { file, rule })
}

/** What is in force, as one line: `none`, or every profile with its modules. */
export function describeEnforcement({ described }: Enforcement): string {
  return described.length === 0 ? 'none' : described.join('; ')
}

/** The record of what is in force, made at every start. */
export function enforcementEvent(
  { described, file }: LoadedEnforcement,
  uri: string,
): AuditEvent | undefined {
  if (!file) return undefined
  return {
    type: 'system',
    actor: uri,
    target: uri,
    action: 'enforcement.load',
    outcome: 'ok',
    detail: { sha256: file.sha256, modules: described.join('; ').slice(0, 256) },
  }
}

/**
 * The record of the configuration that a daemon started with: what it was told is part of its evidence.
 *
 * @param sha256 - of the file, in hexadecimal; absent: there is none
 * @param uri - of the own principal
 */
export function configurationEvent(
  sha256: string | undefined,
  uri: string,
): AuditEvent | undefined {
  if (sha256 === undefined) return undefined
  const action = 'configuration.load'
  return { type: 'system', actor: uri, target: uri, action, outcome: 'ok', detail: { sha256 } }
}

/** Decides over a peer between AUTH and READY. */
export type EnforceHandshake = (connection: ConnectionFacts, peer: PeerFacts) => Refusal | undefined

/**
 * Asks the modules of the handshake, and records their refusals. The authority itself is never refused:
 * without its session no lock would arrive.
 */
export function enforceHandshake(
  deps: { readonly enforcement: Enforcement; readonly log: Log; readonly audit: AuditLog },
  target: string,
): EnforceHandshake {
  const { enforcement, log, audit } = deps
  return (connection, peer) => {
    if (peer.principal.kind === 'authority') return undefined
    const refusal = enforcement.refuse('handshake', { connection, peer })
    if (!refusal) return undefined
    recordSoon(audit, log, {
      type: 'refusal',
      actor: peer.principal.uri,
      target,
      action: 'session.open',
      outcome: 'refused',
      code: refusal.code,
      rule: refusal.rule,
    })
    return refusal
  }
}

type AuthorisePort = Parameters<typeof createExecutor>[0]['authorise']

/**
 * Asks the modules before policy, for every new call and again while it runs. What holds the fabric
 * together, such as a lock that arrives, is not theirs to refuse.
 *
 * **Security:** what the modules do not refuse, policy still decides: only it can make the next stage.
 */
export function enforceCalls(inner: AuthorisePort, enforcement: Enforcement): AuthorisePort {
  return {
    authorise: (authenticated, call, command) => {
      const refusal =
        command.domain === 'fabric'
          ? undefined
          : enforcement.refuse('call', { ...factsOf(authenticated), call })
      return refusal ?? inner.authorise(authenticated, call, command)
    },
    refuseRunning: (authenticated, command, canonicalArguments) => {
      const refusal =
        command.domain === 'fabric' ? undefined : enforcement.refuse('call', factsOf(authenticated))
      return refusal ?? inner.refuseRunning?.(authenticated, command, canonicalArguments)
    },
  }
}

function factsOf({ connected, peer }: Authenticated): {
  readonly connection: ConnectionFacts
  readonly peer: PeerFacts
} {
  return { connection: connected.connection, peer }
}
