import { join } from 'node:path'
import {
  type Clock,
  equalBytes,
  type Principal,
  principalOf,
  type Random,
  unixMs,
} from '../../foundation/base/index.ts'
import { issue, OPERATOR_LIFE_MS, type PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import { type KeyStore, keyStoreUnlockKind } from '../../trust/keys/index.ts'
import {
  ensurePrincipalKeys,
  ensureTlsKey,
  type HostPort,
  loadMembership,
  type Membership,
  OBJECT_KINDS,
  openMemberKeys,
  storeMembership,
  tlsKeyName,
  writeObject,
} from '../node/index.ts'
import { AUTHORITY_NAME, AUTHORITY_PROFILE, type AuthorityState } from './authority-state.ts'
import { authorityErrors } from './errors.ts'
import type { Role } from './http-types.ts'
import type { Publisher } from './services.ts'

/** How the first operator came to a credential. */
export type OperatorOutcome = 'created' | 'recovered' | 'present' | 'foreign' | 'kept'

/** Who gets the first credential, and where it goes. */
export interface OperatorOptions {
  readonly folder: string
  /** Name of the operating-system user, or of the one to be recovered. */
  readonly name: string
  /** Makes another admin although there are operators: nobody has a credential of theirs any more. */
  readonly isRecovery?: boolean
  readonly api: HostPort
  /** host:port of the session listener. */
  readonly session: string
}

interface OperatorDeps {
  readonly clock: Clock
  readonly random: Random
}

interface OperatorAuthority {
  readonly state: AuthorityState
  readonly publisher: Publisher
}

/**
 * Makes the credential of the first operator: role `admin`, named after the operating-system user,
 * in that user's configuration folder. An authority that has an operator makes none.
 *
 * To recover is to make one more, under a name that nobody had: the root keys have to be there, which
 * nobody else's credential needs.
 *
 * @returns `created`; `recovered`; `present` when the folder holds a credential of this authority;
 * `foreign` when it holds one of another authority, which is left alone; `kept` when the operator's
 * credential lies elsewhere, or is sealed by a passphrase
 * @throws {@link KosError} KOS_AUTHORITY_RECOVER when there is nothing to recover, or no root keys
 * @see identity: Defaults
 */
export async function ensureOperator(
  deps: OperatorDeps,
  authority: OperatorAuthority,
  options: OperatorOptions,
): Promise<OperatorOutcome> {
  const { state } = authority
  const { isRecovery = false } = options
  // The operator's own passphrase is no business of the authority.
  const isSealed = keyStoreUnlockKind(join(options.folder, 'keys')) === 'passphrase'
  if (isRecovery && !state.ca.hasRootKeys) notRecovered('root-keys')
  if (isSealed) return isRecovery ? notRecovered('folder') : 'kept'
  const keys = openMemberKeys({ random: deps.random }, options.folder)
  try {
    const membership = loadMembership(keys)
    if (membership && isRecovery) return notRecovered('folder')
    if (membership && membership.pin !== state.ca.pin) return 'foreign'
    if (membership) {
      moveMembership(keys, membership, options)
      return 'present'
    }
    if (isRecovery) checkName(state, options.name, keys)
    ensurePrincipalKeys(keys)
    const identitySpki = keys.require('identity').spki
    const users = state.registry.users()
    // A start that was killed half-way has registered these very keys: it is finished now.
    const unfinished = users.find((user) => equalBytes(user.identitySpki, identitySpki))
    const isRecovered = isRecovery && users.length > 0
    if (users.length > 0 && !unfinished && !isRecovered) return 'kept'
    const user = {
      ...options,
      keys,
      roles: ['admin'],
      isRegistered: unfinished !== undefined,
    } as const
    if (!isRecovered) {
      await createCredential(deps, authority, user)
      return 'created'
    }
    await recordedRecovery(state, user.name, () => createCredential(deps, authority, user))
    return 'recovered'
  } finally {
    keys.close()
  }
}

/** Ids are names, and stay taken when the user was removed. A start that was killed half-way goes on. */
function checkName({ registry }: AuthorityState, name: string, keys: KeyStore): void {
  const id = userName(name)
  const taken = registry.principal(id) ?? registry.principalNamed(id)
  const own = keys.get('identity')
  if (taken && !(own && equalBytes(taken.identitySpki, own.spki))) notRecovered('name')
}

async function recordedRecovery(
  { audit, principal, ca }: AuthorityState,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  const target = principalOf(ca.trustDomain, 'user', userName(name))?.uri ?? '-'
  const event = { type: 'admin', actor: principal.uri, target, action: 'operator.recover' } as const
  await audit.append({ ...event, outcome: 'intent' })
  await work()
  await audit.append({ ...event, outcome: 'ok' })
}

function notRecovered(rule: 'folder' | 'name' | 'root-keys'): never {
  throw authorityErrors.error('KOS_AUTHORITY_RECOVER', { rule })
}

/** The operator on this machine finds the authority where it listens now. */
function moveMembership(keys: KeyStore, membership: Membership, to: OperatorOptions): void {
  const { api, session } = to
  const { host, port } = membership
  const isThere = host === api.host && port === api.port && membership.session === session
  if (!isThere) storeMembership(keys, { ...membership, ...api, session })
}

/** A user and the folder that gets the credential. */
export interface UserCredential extends OperatorOptions {
  /** The key store of the folder. */
  readonly keys: KeyStore
  readonly roles: readonly Role[]
  /** Whether the registry holds the user already. */
  readonly isRegistered: boolean
}

/** Registers a user, issues the first certificate and writes both into the user's folder. */
export async function createCredential(
  deps: OperatorDeps,
  { state, publisher }: OperatorAuthority,
  user: UserCredential,
): Promise<void> {
  const { keys, folder, api, session } = user
  const name = userName(user.name)
  const principal = principalOf(state.ca.trustDomain, 'user', name)
  if (!principal) throw new TypeError('a user name is always well-formed')
  ensurePrincipalKeys(keys)
  const certificate = issue(state.ca, {
    principal,
    identitySpki: keys.require('identity').spki,
    tlsSpki: ensureTlsKey(keys, 1).spki,
    profile: AUTHORITY_PROFILE,
    generation: 1,
    lifeMs: OPERATOR_LIFE_MS,
  })
  const record = userRecord(deps, { principal, name, user, certificate })
  await state.registry.transaction((transaction) => {
    if (!user.isRegistered) transaction.insertPrincipal(record)
    transaction.insertCertificate(certificate)
  })
  publisher.refreshDirectory()
  for (const kind of OBJECT_KINDS) writeObject(folder, kind, publisher[kind]())
  storeMembership(keys, {
    principal,
    name,
    profile: AUTHORITY_PROFILE.name,
    generation: 1,
    tlsKey: tlsKeyName(1),
    leaf: certificate.der,
    ...api,
    session,
    pin: state.ca.pin,
  })
}

function userRecord(
  deps: OperatorDeps,
  of: {
    readonly principal: Principal
    readonly name: string
    readonly user: UserCredential
    readonly certificate: ReturnType<typeof issue>
  },
): PrincipalRecord {
  const { principal, name, user, certificate } = of
  const { keys, roles } = user
  const now = deps.clock.wallMs()
  return {
    id: principal.id,
    uri: principal.uri,
    kind: 'user',
    name,
    profile: AUTHORITY_PROFILE.name,
    state: 'active',
    owner: principal.uri,
    mac: '',
    uuid: deps.random.uuidv7(),
    identitySpki: keys.require('identity').spki,
    kemSpki: keys.require('kem').spki,
    logSpkis: [keys.require('log-ed25519').spki, keys.require('log-ml-dsa-44').spki],
    generation: 1,
    generationUsed: false,
    roles,
    groups: [],
    labels: {},
    addresses: [],
    createdAt: now,
    lastSeenAt: unixMs(now),
    certificateNotBefore: certificate.notBefore,
    certificateNotAfter: certificate.notAfter,
  }
}

/** The user's name in the form that ids have; the authority's own name is taken. */
function userName(user: string): string {
  const name = user.toLowerCase().replaceAll(/[^a-z0-9._-]/g, '-')
  const trimmed = name.slice(0, 64).replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
  return trimmed === '' || trimmed === AUTHORITY_NAME ? 'operator' : trimmed
}
