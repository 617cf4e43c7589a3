import type { DatabaseSync } from 'node:sqlite'
import { type Log, refuse, type Refusal } from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import type { SchemaStep, Store } from '../../foundation/storage/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import { FABRIC, type OpenSession } from '../node/index.ts'
import type { AuthorityTables } from './schema.ts'

/** The schema step of renewals that an operator asked for. */
export const rotationSchema: SchemaStep = Object.freeze({
  name: 'renewals that were asked for',
  up: (raw: DatabaseSync): void => {
    raw.exec(`CREATE TABLE asked_renewal (
      principal_id TEXT PRIMARY KEY, generation INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`)
  },
})

interface CertificateRotationDeps {
  readonly log: Log
  readonly store: Store<AuthorityTables>
  /** Those that are open now. */
  readonly sessions: () => ReadonlySet<OpenSession>
}

/** Asks nodes for a new TLS key and certificate, now or when they are back. */
export interface CertificateRotation {
  /** A session reached READY: it is asked when an operator wanted that while it was away. */
  opened(open: OpenSession): void
  /**
   * Asks whoever has the certificate of this generation to renew it; durable when it resolves.
   *
   * @returns whether the node has been told, or a refusal KOS_AUTHORITY_REQUEST for who cannot be asked
   */
  rotate(record: PrincipalRecord): Promise<{ readonly delivered: boolean } | Refusal>
}

const CALL_DEADLINE_MS = 10_000

/**
 * Makes the rotation of certificates on demand. What was asked stays until the principal has a newer
 * generation: a lost call, a restart of either end and a long absence change nothing.
 *
 * @see identity: Renewal and absence
 */
export function createCertificateRotation(deps: CertificateRotationDeps): CertificateRotation {
  const { store } = deps
  const askedOf = (principalId: string): number => {
    const query = store.db
      .selectFrom('asked_renewal')
      .select('generation')
      .where('principal_id', '=', principalId)
    return store.rows(query)[0]?.generation ?? 0
  }
  return {
    opened: (open) => {
      const { principal, generation } = open.authenticated.peer
      const asked = askedOf(principal.id)
      if (asked < generation) return
      tell(deps, open, asked).catch((error: unknown) => {
        deps.log.event('renewal.not-asked', { error: String(error) }, 'error')
      })
    },
    rotate: async (record) => {
      const problem = unaskable(record)
      if (problem) return problem
      const { id, uri, generation } = record
      const row = { principal_id: id, generation }
      const insert = store.db
        .insertInto('asked_renewal')
        .values(row)
        .onConflict((conflict) => conflict.column('principal_id').doUpdateSet(row))
      await store.group.enqueue(() => store.rows(insert))
      const open = deps
        .sessions()
        .values()
        .find(({ authenticated }) => authenticated.peer.principal.uri === uri)
      return { delivered: open ? await tell(deps, open, generation) : false }
    },
  }
}

function unaskable({ kind, origin, state, profile }: PrincipalRecord): Refusal | undefined {
  if (state !== 'active') return refused(state, 'Who is locked out renews nothing.')
  if (kind === 'user') {
    const remedy =
      'People rotate where their keys are: kosctl credentials rotate. ' +
      'Or make them: kosctl credentials revoke NAME.'
    return refused('user', remedy)
  }
  if (origin === 'est') {
    return refused('est', 'Its EST client renews by itself; or lock it: kosctl lock NAME.')
  }
  const hasCertificate = profileOf(profile).authentication.factor !== 'psk'
  return hasCertificate ? undefined : refused('psk', 'It has a pre-shared key.')
}

function refused(rule: string, remedy: string): Refusal {
  return refuse('KOS_AUTHORITY_REQUEST', `rotate/${rule}`, { remedy })
}

async function tell(
  { log }: CertificateRotationDeps,
  { session }: OpenSession,
  generation: number,
): Promise<boolean> {
  const result = await session.call(FABRIC.renew, { generation }, { deadlineMs: CALL_DEADLINE_MS })
  const isTold = result.status === 'ok'
  if (!isTold) log.event('renewal.not-taken', { rule: result.rule ?? result.code }, 'warn')
  return isTold
}
