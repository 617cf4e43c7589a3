import {
  type Clock,
  equalBytes,
  principalOf,
  type Random,
  unixMs,
} from '../../foundation/base/index.ts'
import { issue, OPERATOR_LIFE_MS, type PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import {
  ensurePrincipalKeys,
  ensureTlsKey,
  type HostPort,
  loadMembership,
  openMemberKeys,
  storeMembership,
  tlsKeyName,
  writeObject,
} from '../node/index.ts'
import { AUTHORITY_NAME, AUTHORITY_PROFILE, type AuthorityState } from './authority-state.ts'
import type { Publisher } from './services.ts'

/** How the first operator came to a credential. */
export type OperatorOutcome = 'created' | 'present' | 'foreign' | 'kept'

/** Who gets the first credential, and where it goes. */
export interface OperatorOptions {
  readonly folder: string
  /** Name of the operating-system user. */
  readonly name: string
  readonly api: HostPort
  /** host:port of the session listener. */
  readonly session: string
}

/**
 * Makes the credential of the first operator: role `admin`, named after the operating-system user,
 * in that user's configuration folder. An authority that has an operator makes none.
 *
 * @returns `created`; `present` when the folder holds a credential of this authority; `foreign` when
 * it holds one of another authority, which is left alone; `kept` when the operator's credential lies
 * elsewhere
 * @see identity: Defaults
 */
export async function ensureOperator(
  deps: { readonly clock: Clock; readonly random: Random },
  authority: { readonly state: AuthorityState; readonly publisher: Publisher },
  options: OperatorOptions,
): Promise<OperatorOutcome> {
  const { state, publisher } = authority
  const keys = openMemberKeys(deps, options.folder)
  try {
    const membership = loadMembership(keys)
    if (membership) return membership.pin === state.ca.pin ? 'present' : 'foreign'
    const name = operatorName(options.name)
    const principal = principalOf(state.ca.trustDomain, 'user', name)
    if (!principal) throw new TypeError('an operator name is always well-formed')
    ensurePrincipalKeys(keys)
    const tls = ensureTlsKey(keys, 1)
    const identitySpki = keys.require('identity').spki
    const users = state.registry.principals().filter(({ kind }) => kind === 'user')
    // A start that was killed half-way has registered these very keys: it is finished now.
    const unfinished = users.find((user) => equalBytes(user.identitySpki, identitySpki))
    if (users.length > 0 && !unfinished) return 'kept'
    const certificate = issue(state.ca, {
      principal,
      identitySpki,
      tlsSpki: tls.spki,
      profile: AUTHORITY_PROFILE,
      generation: 1,
      lifeMs: OPERATOR_LIFE_MS,
    })
    const now = deps.clock.wallMs()
    const record: PrincipalRecord = {
      id: principal.id,
      uri: principal.uri,
      kind: 'user',
      name,
      profile: AUTHORITY_PROFILE.name,
      state: 'active',
      owner: principal.uri,
      mac: '',
      uuid: deps.random.uuidv7(),
      identitySpki,
      kemSpki: keys.require('kem').spki,
      logSpkis: [keys.require('log-ed25519').spki, keys.require('log-ml-dsa-44').spki],
      generation: 1,
      generationUsed: false,
      roles: ['admin'],
      groups: [],
      labels: {},
      addresses: [],
      createdAt: now,
      lastSeenAt: unixMs(now),
      certificateNotBefore: certificate.notBefore,
      certificateNotAfter: certificate.notAfter,
    }
    await state.registry.transaction((transaction) => {
      if (!unfinished) transaction.insertPrincipal(record)
      transaction.insertCertificate(certificate)
    })
    publisher.refreshDirectory()
    for (const kind of ['bundle', 'directory', 'locks', 'manifest'] as const) {
      writeObject(options.folder, kind, publisher[kind]())
    }
    storeMembership(keys, {
      principal,
      name,
      profile: AUTHORITY_PROFILE.name,
      generation: 1,
      tlsKey: tlsKeyName(1),
      leaf: certificate.der,
      ...options.api,
      session: options.session,
      pin: state.ca.pin,
    })
    return 'created'
  } finally {
    keys.close()
  }
}

/** The user's name in the form that ids have. */
function operatorName(user: string): string {
  const name = user.toLowerCase().replaceAll(/[^a-z0-9._-]/g, '-')
  const trimmed = name.replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, '').slice(0, 64)
  return trimmed === '' || trimmed === AUTHORITY_NAME ? 'operator' : trimmed
}
