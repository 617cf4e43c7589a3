import { isRefusal, Secret, validate, z } from '../../foundation/base/index.ts'
import { cborToPlain, codecErrors, decodeCbor, encodeCbor } from '../../foundation/codec/index.ts'
import type { KeyStore } from '../keys/index.ts'
import { pkiErrors } from './errors.ts'

/**
 * The durable state of a certificate authority beside its keys. It is public, but it is sealed with
 * the keys, so that nobody exchanges it alone.
 */
export interface CaState {
  /** Of the bundle's root keys. */
  readonly pin: string
  /** The newest signed trust bundle; era, number and certificates stand in it. */
  readonly bundle: Uint8Array
  /** Numbers of the active intermediates, in the order of the bundle; {@link LOST} where there is no key. */
  readonly ordinals: readonly number[]
  /** The one that issues. */
  readonly issuing: number
  /** The number of the next one; none is used twice. */
  readonly nextOrdinal: number
  /** The highest number of a bundle that the root keys were ever asked for; absent: the bundle's. */
  readonly asked?: number | undefined
  /** The request that root keys kept elsewhere have not answered yet. */
  readonly pending?: Uint8Array | undefined
}

/** Stands for the number of an intermediate whose key was lost with a machine. */
export const LOST = 0

const SECRET_NAME = 'ca-state'
const VERSION = 1
const count = z.int().min(1)

const stateSchema = z.strictObject({
  version: z.literal(VERSION),
  pin: z.string(),
  bundle: z.instanceof(Uint8Array),
  ordinals: z.array(z.int().min(0)).min(1),
  issuing: count,
  nextOrdinal: count,
  asked: count.optional(),
  pending: z.instanceof(Uint8Array).optional(),
})

/**
 * Reads the state; `undefined` before the first start.
 *
 * @throws KosError KOS_PKI_STATE when it cannot be read
 */
export function loadCaState(keys: KeyStore): CaState | undefined {
  using secret = keys.openSecret(SECRET_NAME)
  if (!secret) return undefined
  try {
    const state = secret.use((sealed) => validate(stateSchema, cborToPlain(decodeCbor(sealed))))
    if (!isRefusal(state)) return state.value
  } catch (error) {
    if (!codecErrors.has(error)) throw error
  }
  throw pkiErrors.error('KOS_PKI_STATE', { rule: 'ca-state' })
}

/** Writes the state; durable when it returns. */
export function saveCaState(keys: KeyStore, state: CaState): void {
  const { pin, bundle, ordinals, issuing, nextOrdinal, asked, pending } = state
  const fields = {
    version: VERSION,
    pin,
    bundle,
    ordinals,
    issuing,
    nextOrdinal,
    ...(asked !== undefined && { asked }),
    ...(pending && { pending }),
  }
  using secret = Secret.take(encodeCbor(fields))
  keys.sealSecret(SECRET_NAME, secret)
}
