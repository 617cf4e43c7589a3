import {
  isRefusal,
  parsePrincipal,
  type Principal,
  Secret,
  type Schema,
  validate,
  zm,
} from '../../foundation/base/index.ts'
import { cborToPlain, decodeCbor, encodeCbor } from '../../foundation/codec/index.ts'
import {
  PROFILE_NAMES,
  profileOf,
  type ProfileName,
  refuseDowngrade,
} from '../../foundation/profiles/index.ts'
import type { KeyStore } from '../../trust/keys/index.ts'
import { nodeErrors } from './errors.ts'
import type { FloorFile } from './floor-file.ts'
import { ownIdentityHash } from './psk-credential.ts'

/** Name under which the membership is sealed in the key store. */
const SECRET_NAME = 'membership'

/** The pre-shared key of a device without certificate; its root is sealed apart. */
export interface PskMembership {
  /** Of the key in use. */
  readonly handle: string
  /** The first handle: it names the device through all generations. */
  readonly identity: string
}

/** What a principal keeps of its enrolment; changed as a whole, sealed in its key store. */
export interface Membership {
  readonly principal: Principal
  readonly name: string
  readonly profile: ProfileName
  readonly generation: number
  /** Name of the TLS key that the leaf certifies. */
  readonly tlsKey: string
  readonly leaf: Uint8Array
  /** Host and port of the authority's HTTP API. */
  readonly host: string
  readonly port: number
  /** host:port of the authority's session listener. */
  readonly session: string
  readonly pin: string
  /** A device without certificate: `tlsKey` and `leaf` are empty then. */
  readonly psk?: PskMembership | undefined
}

interface StoredMembership extends Omit<Membership, 'principal'> {
  readonly uri: string
}

const schema: Schema<StoredMembership> = zm.strictObject({
  uri: zm.string().check(zm.maxLength(512)),
  name: zm.string().check(zm.maxLength(64)),
  profile: zm.enum(PROFILE_NAMES),
  generation: zm.int().check(zm.minimum(1)),
  tlsKey: zm.string().check(zm.maxLength(64)),
  leaf: zm.instanceof(Uint8Array),
  host: zm.string().check(zm.maxLength(262)),
  port: zm.int().check(zm.minimum(1), zm.maximum(65_535)),
  session: zm.string().check(zm.maxLength(270)),
  pin: zm.string().check(zm.maxLength(64)),
  psk: zm.optional(
    zm.strictObject({
      handle: zm.string().check(zm.maxLength(24)),
      identity: zm.string().check(zm.maxLength(24)),
    }),
  ),
})

/** Keeps a membership; durable on return. */
export function storeMembership(keys: KeyStore, membership: Membership): void {
  const { principal, psk, ...rest } = membership
  const stored = { ...rest, uri: principal.uri, ...(psk && { psk: { ...psk } }) }
  keys.sealSecret(SECRET_NAME, Secret.take(encodeCbor(stored)))
}

/**
 * Reads the membership.
 *
 * @returns the membership, or `undefined` when the principal has not joined
 * @throws {@link KosError} KOS_NODE_STATE when what is stored does not fit
 */
export function loadMembership(keys: KeyStore): Membership | undefined {
  using secret = keys.openSecret(SECRET_NAME)
  if (!secret) return undefined
  const plain = secret.use((bytes) => cborToPlain(decodeCbor(Uint8Array.from(bytes))))
  const checked = validate(schema, plain)
  if (isRefusal(checked)) throw nodeErrors.error('KOS_NODE_STATE', { rule: checked.rule })
  const { uri, ...rest } = checked.value
  const principal = parsePrincipal(uri)
  if (!principal) throw nodeErrors.error('KOS_NODE_STATE', { rule: 'uri' })
  return Object.freeze({ ...rest, principal })
}

/**
 * Holds the own profile against the highest one that this folder ever had, for this principal or for
 * this identity key, and remembers it from now on; durable on return.
 *
 * @throws {@link KosError} KOS_NODE_FLOOR when it is lower; nothing is changed then
 */
export function keepOwnFloor(
  keys: KeyStore,
  floors: FloorFile,
  { principal, profile, psk }: Pick<Membership, 'principal' | 'profile' | 'psk'>,
): void {
  checkOwnFloor(keys, floors, { principal, profile, psk })
  const own = { uri: principal.uri, identityKeyHash: ownIdentityHash(keys, psk) }
  floors.note([{ ...own, floor: profileOf(profile) }])
}

/** The check of {@link keepOwnFloor} alone. */
export function checkOwnFloor(
  keys: KeyStore,
  floors: FloorFile,
  { principal, profile, psk }: Pick<Membership, 'principal' | 'profile' | 'psk'>,
): void {
  const own = { uri: principal.uri, identityKeyHash: ownIdentityHash(keys, psk) }
  const floor = floors.floorOf(own)
  if (!floor || !refuseDowngrade(floor, profileOf(profile))) return
  throw nodeErrors.error('KOS_NODE_FLOOR', { profile, floor: floor.name })
}
