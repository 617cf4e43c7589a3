import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Clock,
  type Log,
  type Principal,
  principalOf,
  Secret,
  toBase32,
  type TrustDomain,
} from '../../foundation/base/index.ts'
import { pemEncode } from '../../foundation/codec/index.ts'
import { type Profile, profileOf } from '../../foundation/profiles/index.ts'
import { openStore, type Store, storageErrors } from '../../foundation/storage/index.ts'
import type { PskVault } from '../../lifecycle/enrolment/index.ts'
import type { CertificateIdentity } from '../../network/transport/index.ts'
import {
  type AuditLog,
  auditSegments,
  auditTables,
  createAuditLog,
  logOrigin,
} from '../../trust/audit/index.ts'
import { ensureValueKey, type KeyRef, type KeyStore } from '../../trust/keys/index.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedLeaf,
} from '../../trust/pki/index.ts'
import { openFolderKeys, trustAnchorsPem, type UnlockDeps } from '../node/index.ts'
import { auditOrigin } from './audit-service.ts'
import { presentedBeyond } from './company-chain.ts'
import { rotationSchema } from './certificate-rotation.ts'
import { authorityErrors } from './errors.ts'
import { floorLookupSchema, floorSchema } from './floor-schema.ts'
import {
  createRegistry,
  type Registry,
  listenersSchema,
  originSchema,
  quarantineSchema,
  registrySchema,
  signedRequestSchema,
  userTokenSchema,
} from './registry.ts'
import { pskSchema } from './psk-registry.ts'
import { createPskVault } from './psk-vault.ts'
import type { AuthorityTables } from './schema.ts'
import { batchSchema } from './token-registry.ts'

/** The authority's own name in the directory. */
export const AUTHORITY_NAME = 'authority'
/** Profile of the authority itself and of its session listener. */
export const AUTHORITY_PROFILE: Profile = profileOf('SEC-2')
const TOKEN_ROOT = 'join-token-root'
const AUTHORITY_LEAF_MS = 24 * 60 * 60 * 1000

/** Everything an authority keeps in its state folder, open. */
export interface AuthorityState {
  readonly folder: string
  readonly keys: KeyStore
  readonly store: Store<AuthorityTables>
  readonly registry: Registry
  readonly ca: CertificateAuthority
  readonly audit: AuditLog
  readonly principal: Principal
  readonly identity: KeyRef
  /** The secret that join tokens are derived from. */
  readonly tokenRoot: Secret
  /** What seals the roots of pre-shared keys. */
  readonly pskVault: PskVault
  /** Whether this start made the authority. */
  readonly isNew: boolean
}

/** What opening needs. */
export interface AuthorityStateDeps extends UnlockDeps {
  readonly clock: Clock
  readonly log: Log
}

/** Where the state lies, and of which trust domain it is. */
export interface AuthorityStateOptions {
  readonly folder: string
  readonly trustDomain: TrustDomain
  /** Upper bound of the database file in bytes; absent: the disk is the bound. */
  readonly maxStoreBytes?: number
}

/**
 * Opens the state folder of an authority, or makes it: keys, CA with both roots, store, audit log.
 *
 * @throws {@link KosError} KOS_AUTHORITY_IN_USE, and those of the rooms that refuse: damaged files, a
 * newer schema
 */
export async function openAuthorityState(
  deps: AuthorityStateDeps,
  options: AuthorityStateOptions,
): Promise<AuthorityState> {
  const { folder, trustDomain } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const store = openAuthorityStore(deps, options)
  try {
    const keys = openFolderKeys(deps, folder)
    const isNew = keys.list().length === 0
    ensureValueKey(deps, keys)
    const ca = createCertificateAuthority({ ...deps, keys }, { trustDomain })
    const identity = keys.get('identity') ?? keys.create('identity', 'identity', 'P-256')
    const principal = authorityPrincipal(trustDomain, identity)
    const audit = await createAuditLog(
      {
        ...deps,
        store,
        keys: { ed25519: ca.signers.checkpoint, mlDsa44: ca.signers.checkpointMlDsa44 },
      },
      { origin: logOrigin(auditOrigin(trustDomain, 'authority', principal.id), ca.era) },
    )
    const registry = createRegistry(store)
    const tokenRoot = openTokenRoot(deps, keys)
    const pskVault = createPskVault({ ...deps, keys })
    return {
      folder,
      keys,
      store,
      registry,
      ca,
      audit,
      principal,
      identity,
      tokenRoot,
      pskVault,
      isNew,
    }
  } catch (error) {
    store.close()
    throw error
  }
}

/** The lock of the store keeps another authority from the whole folder. */
function openAuthorityStore(
  deps: AuthorityStateDeps,
  { folder, maxStoreBytes }: AuthorityStateOptions,
): Store<AuthorityTables> {
  try {
    return openStore<AuthorityTables>(deps, {
      path: join(folder, 'authority.sqlite'),
      migrations: [
        { version: 1, ...auditTables },
        { version: 2, ...registrySchema },
        { version: 3, ...auditSegments },
        { version: 4, ...signedRequestSchema },
        { version: 5, ...quarantineSchema },
        { version: 6, ...listenersSchema },
        { version: 7, ...floorSchema },
        { version: 8, ...pskSchema },
        { version: 9, ...originSchema },
        { version: 10, ...batchSchema },
        { version: 11, ...userTokenSchema },
        { version: 12, ...rotationSchema },
        { version: 13, ...floorLookupSchema },
      ],
      ...(maxStoreBytes !== undefined && { maxBytes: maxStoreBytes }),
    })
  } catch (cause) {
    const isInUse = storageErrors.has(cause) && cause.code === 'KOS_STORAGE_LOCKED'
    throw isInUse ? authorityErrors.error('KOS_AUTHORITY_IN_USE', { folder }, cause) : cause
  }
}

/** Ends what {@link openAuthorityState} opened; what was recorded is durable when it resolves. */
export async function closeAuthorityState(state: AuthorityState): Promise<void> {
  try {
    await state.audit.close()
  } finally {
    state.store.close()
    state.tokenRoot[Symbol.dispose]()
    state.keys.close()
  }
}

function authorityPrincipal(trustDomain: TrustDomain, identity: KeyRef): Principal {
  const id = `kauth-${toBase32(identity.keyId.subarray(0, 10))}`
  const principal = principalOf(trustDomain, 'authority', id)
  if (!principal) throw new TypeError('an authority id is always well-formed')
  return principal
}

function openTokenRoot(deps: AuthorityStateDeps, keys: KeyStore): Secret {
  const kept = keys.openSecret(TOKEN_ROOT)
  if (kept) return kept
  const made = Secret.take(deps.random.bytes(32))
  keys.sealSecret(TOKEN_ROOT, made)
  return made
}

/** A TLS certificate of the authority with its key. */
export interface AuthorityCertificate {
  readonly leaf: IssuedLeaf
  readonly identity: CertificateIdentity
}

/** Names and addresses that stand in the authority's certificate. */
export interface AuthorityNames {
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
}

/** Issues a certificate to the authority itself, for a new TLS key. */
export function issueAuthorityCertificate(
  state: AuthorityState,
  names: AuthorityNames,
): AuthorityCertificate {
  const tls = renewTlsKey(state.keys)
  const leaf = state.ca.issueLeaf({
    principal: state.principal,
    tlsSpki: tls.spki,
    identity: {
      floor: AUTHORITY_PROFILE.name,
      generation: 1,
      identityKeyHash: state.identity.keyId,
    },
    usage: 'authority',
    lifeMs: AUTHORITY_LEAF_MS,
    ...names,
  })
  const [intermediate] = state.ca.chain
  const pem = (der: Uint8Array): string => pemEncode('CERTIFICATE', der)
  return {
    leaf,
    identity: {
      kind: 'certificate',
      certificateChainPem: [leaf.der, intermediate, ...presentedBeyond(state.ca)].map(pem).join(''),
      privateKeyPem: tls.tlsPrivateKeyPem(),
      trustedCaPem: trustAnchorsPem(state.ca.trust),
    },
  }
}

function renewTlsKey(keys: KeyStore): KeyRef {
  if (keys.get('tls-next')) keys.remove('tls-next')
  keys.create('tls-next', 'tls', 'P-256')
  keys.rename('tls-next', 'tls')
  return keys.require('tls')
}
