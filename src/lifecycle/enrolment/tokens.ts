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
  unixMs,
  utf8,
} from '../../foundation/base/index.ts'
import { profileOf, type ProfileName } from '../../foundation/profiles/index.ts'
import { enrolmentErrors } from './errors.ts'
import { evidenceProblem, profileProblem } from './issue.ts'
import type {
  EnrolmentOrigin,
  EnrolmentStore,
  EnrolmentTransaction,
  TokenRecord,
} from './records.ts'

/** Longest life of a join token in milliseconds: 10 min. @see identity: Joining */
export const MAX_TOKEN_LIFE_MS: number = 10 * 60 * 1000
const MIN_TOKEN_LIFE_MS = 1000

/** What an operator asks for when creating a token. */
export interface TokenSpecification {
  /** 1 to 63 lower-case letters, digits and inner hyphens; not a device id. */
  readonly name: string
  readonly kind: 'device' | 'agent'
  readonly profile: ProfileName
  /** URI of an active user. */
  readonly owner: string
  /** Whole milliseconds, 1 s to {@link MAX_TOKEN_LIFE_MS}. */
  readonly lifeMs: number
  /** `est`: for a device without `kosd`, and then for nothing else; see `createEstEnrolService`. */
  readonly origin?: EnrolmentOrigin | undefined
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
   * @returns the token, or a refusal `KOS_ENROLMENT_REQUEST` (`token/name`, `token/life`,
   *   `token/owner`, `token/est-kind`), `KOS_ENROLMENT_PROFILE` or `KOS_ENROLMENT_NAME_TAKEN`
   */
  create(specification: TokenSpecification): Promise<CreatedToken | Refusal>
  /**
   * The secret of a token, for checking a join request. There is one for every id, so that an
   * unknown id and a wrong secret cannot be told apart.
   *
   * @returns 32 bytes; the caller disposes of it
   */
  secretOf(tokenId: string): Secret
}

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const ROOT_BYTES = 32
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
  return Object.freeze({
    secretOf,
    create: async (specification: TokenSpecification): Promise<CreatedToken | Refusal> => {
      const problem = specificationProblem(specification)
      if (problem) return problem
      const now = deps.clock.wallMs()
      const record: TokenRecord = {
        id: toBase64Url(deps.random.bytes(16)),
        name: specification.name,
        kind: specification.kind,
        profile: specification.profile,
        owner: specification.owner,
        createdAt: now,
        expiresAt: unixMs(now + specification.lifeMs),
        state: 'open',
        spentTlsKeyHash: undefined,
        principalId: undefined,
        ...(specification.origin && { origin: specification.origin }),
      }
      const stored = await deps.store.transaction((transaction) => insert(transaction, record))
      return isRefusal(stored) ? stored : { record, secret: secretOf(record.id) }
    },
  })
}

function insert(transaction: EnrolmentTransaction, record: TokenRecord): Refusal | undefined {
  const problem = ownerProblem(transaction, record) ?? nameProblem(transaction, record)
  if (problem) return problem
  const promised = transaction.openTokenNamed(record.name)
  if (promised && promised.expiresAt > record.createdAt) return nameTaken(record, 'open-token')
  transaction.insertToken(record)
  return undefined
}

/** Who owns a device answers for it: an active user of this registry. */
export function ownerProblem(
  transaction: EnrolmentTransaction,
  token: TokenRecord,
): Refusal | undefined {
  const named = parsePrincipal(token.owner)
  const owner = named?.kind === 'user' ? transaction.principal(named.id) : undefined
  if (owner?.uri === token.owner && owner.state === 'active') return undefined
  return refuse('KOS_ENROLMENT_REQUEST', 'token/owner', {
    remedy: 'A join token belongs to an active user.',
  })
}

/** Names are unique among those who are there; ids, and an agent's name is its id, for ever. */
export function nameProblem(
  transaction: EnrolmentTransaction,
  token: TokenRecord,
): Refusal | undefined {
  if (transaction.principalNamed(token.name)) return nameTaken(token, 'principal')
  const isFormer = token.kind === 'agent' && transaction.principal(token.name)
  return isFormer ? nameTaken(token, 'former-principal') : undefined
}

function nameTaken(token: TokenRecord, by: string): Refusal {
  return refuse('KOS_ENROLMENT_NAME_TAKEN', `name/${by}`, {
    remedy: 'Choose another name, or remove the device that has it.',
    details: { name: token.name },
  })
}

function specificationProblem(specification: TokenSpecification): Refusal | undefined {
  const { name, kind, lifeMs, profile, origin } = specification
  // A name that reads as an id could be taken for another device.
  if (!NAME.test(name) || parseDeviceId(name) !== undefined) {
    return refuse('KOS_ENROLMENT_REQUEST', 'token/name', {
      remedy: 'A name has 1 to 63 lower-case letters, digits and inner hyphens.',
    })
  }
  const isLife = Number.isInteger(lifeMs) && lifeMs >= MIN_TOKEN_LIFE_MS
  if (!isLife || lifeMs > MAX_TOKEN_LIFE_MS) {
    return refuse('KOS_ENROLMENT_REQUEST', 'token/life', {
      remedy: 'A join token lives between 1 s and 10 min.',
    })
  }
  if (origin === undefined) return evidenceProblem(profileOf(profile))
  // An agent acts by commands, which need the identity key that an EST client does not have.
  if (kind !== 'device') {
    return refuse('KOS_ENROLMENT_REQUEST', 'token/est-kind', {
      remedy: 'EST is for devices: an agent joins with kosd.',
    })
  }
  return profileProblem(profileOf(profile))
}
