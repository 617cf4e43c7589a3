import { hkdfSync } from 'node:crypto'
import {
  type Clock,
  isRefusal,
  parseDeviceId,
  parsePrincipal,
  type Random,
  refuse,
  type Refusal,
  Secret,
  toBase64Url,
  type UnixMs,
  unixMs,
  utf8,
} from '../../foundation/base/index.ts'
import { profileOf, type ProfileName } from '../../foundation/profiles/index.ts'
import { enrolmentErrors } from './errors.ts'
import { evidenceProblem, profileProblem } from './issue.ts'
import { capacityProblem, NAME, NAME_PREFIX, nameTaken, newNameProblem } from './names.ts'
import type {
  EnrolmentOrigin,
  EnrolmentStore,
  EnrolmentTransaction,
  TokenRecord,
} from './records.ts'
import { MAX_TOKEN_USES } from './token-uses.ts'

/** Longest life of a join token in milliseconds: 10 min. @see identity: Joining */
export const MAX_TOKEN_LIFE_MS: number = 10 * 60 * 1000
const MIN_TOKEN_LIFE_MS = 1000

/**
 * Longest life of a join token that stands for a batch, alone or as one of many, in milliseconds: 7 days.
 * A factory line or a shelf of devices takes longer than one person at one device.
 */
export const MAX_BATCH_TOKEN_LIFE_MS: number = 7 * 24 * 60 * 60 * 1000
/** Most join tokens that are created together. */
export const MAX_BATCH_TOKENS = 1000

/** What an operator asks for when creating a token. */
export interface TokenSpecification {
  /**
   * 1 to 63 lower-case letters, digits and inner hyphens; not a device id. With `uses` it is what names
   * begin with: at most 57 of them, the last one a hyphen.
   */
  readonly name: string
  readonly kind: 'device' | 'agent' | 'user'
  readonly profile: ProfileName
  /** URI of an active user. */
  readonly owner: string
  /** Whole milliseconds, 1 s to {@link MAX_TOKEN_LIFE_MS}; of a batch to {@link MAX_BATCH_TOKEN_LIFE_MS}. */
  readonly lifeMs: number
  /** `est`: for a device without `kosd`, and then for nothing else; see `createEstEnrolService`. */
  readonly origin?: EnrolmentOrigin | undefined
  /** At most 32, each 1 to 63 letters, digits, dots, hyphens and underscores. */
  readonly groups?: readonly string[] | undefined
  /** At most 32. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** For several devices: how many, 1 to 10,000. Absent: for one. */
  readonly uses?: number | undefined
  /** What a user may; for nobody else. */
  readonly roles?: readonly string[] | undefined
}

/** Tokens that were created together, in the order they were asked for. */
export interface CreatedBatch {
  /** What they are listed and revoked by. */
  readonly batch: string
  readonly tokens: readonly CreatedToken[]
}

/** Why a batch was not created: every row that cannot be, by its index. */
export interface BatchRefusal extends Refusal {
  readonly rows: readonly { readonly index: number; readonly refusal: Refusal }[]
}

/** A created token with the secret that is shown once. */
export interface CreatedToken {
  readonly record: TokenRecord
  /** 32 bytes; the caller disposes of it. */
  readonly secret: Secret
}

/**
 * The refusal of a token. From outside every failure looks alike; the rule is for the log.
 *
 * @param check - what failed: the rule is `token/` and this
 * @param line - what the operator is asked for
 */
export function tokenRefused(check: string, line = 'join line'): Refusal {
  return refuse('KOS_ENROLMENT_TOKEN', `token/${check}`, {
    remedy: `Ask the operator for a new ${line}.`,
  })
}

/** Creates join tokens and finds their secrets. */
export interface TokenService {
  /**
   * Creates a token; it is durable when this resolves.
   *
   * **Security:** the caller has checked that the owner may enrol devices, and records the token.
   *
   * @param specification - see {@link TokenSpecification}
   * @returns the token, or a refusal `KOS_ENROLMENT_REQUEST` (`token/name`, `token/prefix`, `token/life`,
   *   `token/uses`, `token/owner`, `token/groups`, `token/labels`, `token/roles`, `token/user-batch`,
   *   `token/est-kind`, `token/est-batch`), `KOS_ENROLMENT_PROFILE`, `KOS_ENROLMENT_FULL` or
   *   `KOS_ENROLMENT_NAME_TAKEN`
   */
  create(specification: TokenSpecification): Promise<CreatedToken | Refusal>
  /**
   * Creates many tokens for one device each, all or none, in one durable step.
   *
   * **Security:** as {@link create}; they may live longer, so they are revoked together.
   *
   * @param specifications - 1 to {@link MAX_BATCH_TOKENS}, without `uses` and `origin`
   * @param check - what else stands against one of them
   * @returns the tokens, or a refusal `KOS_ENROLMENT_BATCH` with the refusal of every row that has one
   */
  createBatch(
    specifications: readonly TokenSpecification[],
    check?: (specification: TokenSpecification) => Refusal | undefined,
  ): Promise<CreatedBatch | BatchRefusal>
  /**
   * The secret of a token, for checking a join request. There is one for every id, so that an
   * unknown id and a wrong secret cannot be told apart.
   *
   * @returns 32 bytes; the caller disposes of it
   */
  secretOf(tokenId: string): Secret
}

const ROOT_BYTES = 32
const ID_BYTES = 16
const MAX_FACTS = 32
const WORD = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const LABEL_KEY = /^[a-z0-9][a-z0-9._/-]{0,62}$/
const SALT = utf8('kos-join-token-v1')

/**
 * Makes the token service.
 *
 * @param deps - clock, randomness, the registry, and the token root: 32 secret bytes of the
 *   authority from which every token's secret is derived, so that none is stored
 * @returns the service; it borrows the token root for as long as it lives
 * @throws KosError KOS_ENROLMENT_TOKEN_ROOT when the token root has another length
 * @see RFC 5869
 */
export function createTokenService(deps: {
  readonly clock: Clock
  readonly random: Random
  readonly store: EnrolmentStore
  readonly tokenRoot: Secret
}): TokenService {
  const { tokenRoot } = deps
  if (tokenRoot.length !== ROOT_BYTES) throw enrolmentErrors.error('KOS_ENROLMENT_TOKEN_ROOT')
  const secretOf = (tokenId: string): Secret =>
    tokenRoot.use((root) =>
      Secret.take(new Uint8Array(hkdfSync('sha256', root, SALT, utf8(tokenId), 32))),
    )
  const recordOf = (specification: TokenSpecification, batch?: string): TokenRecord =>
    newToken(specification, {
      id: toBase64Url(deps.random.bytes(ID_BYTES)),
      now: deps.clock.wallMs(),
      batch,
    })
  return Object.freeze({
    secretOf,
    create: async (specification: TokenSpecification): Promise<CreatedToken | Refusal> => {
      const isBatch = specification.uses !== undefined
      const problem = specificationProblem(specification, isBatch)
      if (problem) return problem
      const record = recordOf(specification)
      const stored = await deps.store.transaction((transaction) => insert(transaction, record))
      return isRefusal(stored) ? stored : { record, secret: secretOf(record.id) }
    },
    createBatch: async (
      specifications: readonly TokenSpecification[],
      check?: (specification: TokenSpecification) => Refusal | undefined,
    ): Promise<CreatedBatch | BatchRefusal> => {
      const { length } = specifications
      if (length < 1 || length > MAX_BATCH_TOKENS) return batchRefused('size', [])
      const batch = toBase64Url(deps.random.bytes(ID_BYTES))
      const records = specifications.map((specification) => recordOf(specification, batch))
      const rows = await deps.store.transaction((transaction) =>
        insertAll(
          transaction,
          records.map((record, index) => ({ record, problem: problemOf(specifications[index]) })),
        ),
      )
      if (rows.length > 0) return batchRefused('rows', rows)
      return { batch, tokens: records.map((record) => ({ record, secret: secretOf(record.id) })) }

      function problemOf(specification: TokenSpecification | undefined): Refusal | undefined {
        return (
          specification && (check?.(specification) ?? specificationProblem(specification, true))
        )
      }
    },
  })
}

function newToken(
  specification: TokenSpecification,
  {
    id,
    now,
    batch,
  }: { readonly id: string; readonly now: UnixMs; readonly batch: string | undefined },
): TokenRecord {
  const { name, kind, profile, owner, lifeMs, origin, groups, labels, uses, roles } = specification
  return {
    id,
    name,
    kind,
    profile,
    owner,
    createdAt: now,
    expiresAt: unixMs(now + lifeMs),
    state: 'open',
    spentTlsKeyHash: undefined,
    principalId: undefined,
    ...(origin && { origin }),
    ...(roles && { roles }),
    ...(batch !== undefined && { batch }),
    ...(groups?.length && { groups }),
    ...(labels && Object.keys(labels).length > 0 && { labels }),
    ...(uses !== undefined && { uses: { max: uses, used: 0, next: 1 } }),
  }
}

function insert(transaction: EnrolmentTransaction, record: TokenRecord): Refusal | undefined {
  const problem = recordProblem(transaction, record)
  if (!problem) transaction.insertToken(record)
  return problem
}

/** All or none: nothing is inserted before everything was looked at. */
function insertAll(
  transaction: EnrolmentTransaction,
  rows: readonly { readonly record: TokenRecord; readonly problem: Refusal | undefined }[],
): BatchRefusal['rows'] {
  const names = new Set<string>()
  const refused = rows.flatMap(({ record, problem }, index) => {
    const isTwice = names.has(record.name)
    names.add(record.name)
    const refusal =
      problem ??
      (isTwice ? nameTaken(record.name, 'other-row') : undefined) ??
      recordProblem(transaction, record)
    return refusal ? [{ index, refusal }] : []
  })
  if (refused.length === 0) for (const { record } of rows) transaction.insertToken(record)
  return refused
}

function batchRefused(check: 'size' | 'rows', rows: BatchRefusal['rows']): BatchRefusal {
  const remedy =
    check === 'size'
      ? `A batch has 1 to ${MAX_BATCH_TOKENS} devices.`
      : 'Correct the rows; nothing was created.'
  return { ...refuse('KOS_ENROLMENT_BATCH', `batch/${check}`, { remedy }), rows }
}

/** What stands against a token in the registry. */
function recordProblem(
  transaction: EnrolmentTransaction,
  record: TokenRecord,
): Refusal | undefined {
  const problem = ownerProblem(transaction, record) ?? capacityProblem(transaction)
  // A token for several devices names nobody yet.
  if (problem || record.uses) return problem
  return newNameProblem(transaction, record, record.createdAt)
}

/**
 * Who owns a device answers for it: an active user of this registry. Who invites a user is an admin,
 * then and when the invitation is used.
 */
export function ownerProblem(
  transaction: EnrolmentTransaction,
  token: TokenRecord,
): Refusal | undefined {
  const named = parsePrincipal(token.owner)
  const owner = named?.kind === 'user' ? transaction.principal(named.id) : undefined
  const isActive = owner?.uri === token.owner && owner.state === 'active'
  if (isActive && (token.kind !== 'user' || owner.roles.includes('admin'))) return undefined
  return refuse('KOS_ENROLMENT_REQUEST', 'token/owner', {
    remedy: 'A join token belongs to an active user, and that of a user to an admin.',
  })
}

function specificationProblem(
  specification: TokenSpecification,
  isBatch: boolean,
): Refusal | undefined {
  const { kind, profile, origin, uses, roles } = specification
  const problem = usesProblem(specification) ?? lifeProblem(specification, isBatch)
  if (problem) return problem
  const facts = factsProblem(specification)
  if (facts) return facts
  if (kind !== 'user' && roles) return unfit('roles', 'Roles are for people.')
  if (kind === 'user' && isBatch) {
    return unfit('user-batch', 'A person comes alone: make a line for each.')
  }
  if (origin === undefined) return evidenceProblem(profileOf(profile))
  // An agent acts by commands, which need the identity key that an EST client does not have.
  if (kind !== 'device') {
    return unfit('est-kind', 'EST is for devices: an agent joins with kosd.')
  }
  // Its secret crosses the wire: it is worth one device, and not for long.
  if (isBatch || uses !== undefined) {
    return unfit('est-batch', 'A secret of EST is for one device: create one for each.')
  }
  return profileProblem(profileOf(profile))
}

/** How many devices, and what they are called. */
function usesProblem({ name, uses }: TokenSpecification): Refusal | undefined {
  if (uses === undefined) {
    // A name that reads as an id could be taken for another device.
    if (NAME.test(name) && parseDeviceId(name) === undefined) return undefined
    return unfit('name', 'A name has 1 to 63 lower-case letters, digits and inner hyphens.')
  }
  if (!Number.isInteger(uses) || uses < 1 || uses > MAX_TOKEN_USES) {
    return unfit('uses', `A join token is good for 1 to ${MAX_TOKEN_USES} devices.`)
  }
  if (NAME_PREFIX.test(name)) return undefined
  return unfit('prefix', 'Names begin with lower-case letters, digits and hyphens, a hyphen last.')
}

function lifeProblem({ lifeMs }: TokenSpecification, isBatch: boolean): Refusal | undefined {
  const maxMs = isBatch ? MAX_BATCH_TOKEN_LIFE_MS : MAX_TOKEN_LIFE_MS
  if (Number.isInteger(lifeMs) && lifeMs >= MIN_TOKEN_LIFE_MS && lifeMs <= maxMs) return undefined
  return unfit('life', `A join token lives between 1 s and ${isBatch ? '7 days' : '10 min'}.`)
}

/** What the device comes in with besides its name. */
function factsProblem({ groups = [], labels = {} }: TokenSpecification): Refusal | undefined {
  if (groups.length > MAX_FACTS || !groups.every((group) => WORD.test(group))) {
    return unfit('groups', 'Groups are at most 32 words of letters, digits, dots and hyphens.')
  }
  const pairs = Object.entries(labels)
  const isFit = pairs.every(([key, value]) => LABEL_KEY.test(key) && WORD.test(value))
  if (pairs.length <= MAX_FACTS && isFit) return undefined
  return unfit(
    'labels',
    'Labels are at most 32 pairs like site=north: words of letters and digits.',
  )
}

function unfit(check: string, remedy: string): Refusal {
  return refuse('KOS_ENROLMENT_REQUEST', `token/${check}`, { remedy })
}
