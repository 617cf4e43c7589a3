import {
  type Clock,
  parsePrincipal,
  refuse,
  type Refusal,
  unixMs,
} from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import type { ApiTokens } from './api-tokens.ts'
import type { CredentialKind } from './api-schema-credentials.ts'
import type { AuthorityPublisher } from './publisher.ts'
import type { Registry } from './registry.ts'
import type { SessionList } from './session-list.ts'

/** A credential that can be taken back, found by the id that the report shows. */
export interface Revocable {
  readonly kind: Extract<CredentialKind, 'certificate' | 'api-token' | 'join-token' | 'psk'>
  /** Whose it is; absent: of nobody yet. */
  readonly owner: PrincipalRecord | undefined
  /** What the owner is, or would be who is invited. */
  readonly ownerKind: PrincipalRecord['kind'] | undefined
  /** Takes it back; durable when it resolves. */
  revoke(): Promise<void>
}

/** Takes single credentials back. The principal stays who it is: `Locks` is for those who must go. */
export interface Revocation {
  /** The credential of a serial number, handle or token id; `undefined`: there is none in force. */
  find(id: string): Revocable | undefined
  /**
   * All certificates and API tokens that a principal has now: with its identity key it gets another
   * certificate, and nothing else does.
   *
   * @returns a refusal KOS_AUTHORITY_REQUEST for one that could not come back
   */
  allOf(record: PrincipalRecord): Revocable | Refusal
}

interface RevocationDeps {
  readonly clock: Clock
  readonly registry: Registry
  readonly apiTokens: ApiTokens
  readonly sessions: SessionList
  readonly publisher: AuthorityPublisher
  disconnect(uri: string): void
  /** Told when the lock list says something new. */
  onChanged(): void
}

/** Makes the revocation of single credentials. */
export function createRevocation(deps: RevocationDeps): Revocation {
  return {
    find: (id) =>
      certificateOf(deps, id) ?? apiTokenOf(deps, id) ?? joinTokenOf(deps, id) ?? pskOf(deps, id),
    allOf: (record) => {
      if (profileOf(record.profile).authentication.factor === 'psk') {
        const remedy =
          'Give it a new key: kosctl credentials rotate NAME; or lock it: kosctl lock NAME.'
        return refuse('KOS_AUTHORITY_REQUEST', 'revoke/psk', { remedy })
      }
      if (record.origin === 'est') {
        const remedy = 'It has no identity key to come back with: kosctl lock NAME.'
        return refuse('KOS_AUTHORITY_REQUEST', 'revoke/est', { remedy })
      }
      const revoke = (): Promise<void> => revokeAll(deps, record)
      return { kind: 'certificate', owner: record, ownerKind: record.kind, revoke }
    },
  }
}

/** The lock list first: what it says counts everywhere, whatever happens to this process next. */
async function revokeAll(
  deps: RevocationDeps,
  { id, uri, profile }: PrincipalRecord,
): Promise<void> {
  deps.publisher.raise((transaction) => {
    const generation = (transaction.principal(id)?.generation ?? 0) + 1
    return { result: undefined, minimum: { uri, generation, floor: profile } }
  })
  deps.onChanged()
  await deps.apiTokens.revokeAll(id)
}

function certificateOf(deps: RevocationDeps, serial: string): Revocable | undefined {
  const { clock, registry, publisher } = deps
  const now = clock.wallMs()
  const certificate = registry.certificateOfSerial(serial)
  const owner = certificate && registry.principal(certificate.principalId)
  if (!owner || certificate.notAfter <= now || owner.state === 'removed') return undefined
  return {
    kind: 'certificate',
    owner,
    ownerKind: owner.kind,
    // The list is durable at once.
    revoke: () => {
      // Ended ones are dropped: the list is carried to everybody.
      publisher.revokeSerial(serial, (listed) => {
        const known = registry.certificateOfSerial(listed)
        return known !== undefined && known.notAfter > now
      })
      deps.onChanged()
      return Promise.resolve()
    },
  }
}

function apiTokenOf(deps: RevocationDeps, handle: string): Revocable | undefined {
  const { registry, apiTokens, sessions } = deps
  const found = sessions.list(apiTokens).find((session) => session.handle === handle)
  if (handle === '' || !found) return undefined
  const named = parsePrincipal(found.principal)
  const owner = registry.principal(named?.id ?? '')
  return {
    kind: 'api-token',
    owner,
    ownerKind: named?.kind,
    revoke: async () => {
      if (!(await apiTokens.revoke(handle))) sessions.close(handle)
    },
  }
}

function joinTokenOf({ registry }: RevocationDeps, id: string): Revocable | undefined {
  const token = registry.token(id)
  if (token?.state !== 'open') return undefined
  return {
    kind: 'join-token',
    owner: undefined,
    ownerKind: token.kind,
    revoke: async () => void (await registry.revokeToken(id)),
  }
}

function pskOf(deps: RevocationDeps, handle: string): Revocable | undefined {
  const { clock, registry } = deps
  const key = registry.psk(handle)
  const owner = key && registry.principal(key.principalId)
  const isDead = key?.endsAt !== undefined && key.endsAt <= clock.wallMs()
  if (!owner || isDead || owner.state === 'removed') return undefined
  return {
    kind: 'psk',
    owner,
    ownerKind: owner.kind,
    revoke: async () => {
      const endsAt = unixMs(clock.wallMs())
      await registry.transaction((transaction) => transaction.changePsk(handle, { endsAt }))
      // A newer key, if there is one, opens the next session.
      deps.disconnect(owner.uri)
    },
  }
}
