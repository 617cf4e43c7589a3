/** Members and what they bring to an authority that was restored. */
import {
  type CertificateAuthority,
  encodeDirectory,
  encodeLockList,
  EMPTY_LOCK_LIST,
  type EraNumber,
  type NumberedKind,
  type NumberedObject,
  signNumbered,
  type SigningRole,
  verifyNumbered,
} from '../../src/trust/pki/index.ts'
import {
  createClaim,
  type Recovered,
  type RecoveryClaim,
} from '../../src/lifecycle/recovery/index.ts'
import { isRefusal, type Principal, sha256, unixMs } from '../../src/foundation/base/index.ts'
import type { CborInput } from '../../src/foundation/codec/index.ts'
import { createDevice, requestKeys, type TestDevice } from './enrolment.ts'
import { DAY_MS, principal } from './pki.ts'

/** The TLS exporter of one connection. */
export const EXPORTER: Uint8Array = new Uint8Array(32).fill(7)

const ROLES: Readonly<Record<NumberedKind, SigningRole>> = {
  directory: 'directory',
  'lock-list': 'lock',
  manifest: 'policy',
}

/** Signs an object as the authority would have. */
export function signedObject(
  ca: CertificateAuthority,
  kind: NumberedKind,
  place: EraNumber & { readonly body?: CborInput; readonly issuedAt?: number },
): Recovered {
  const { era, number, body = bodies[kind], issuedAt = 1_000 } = place
  const signer = ca.signers[ROLES[kind]]
  const fields = { era, number, body, issuedAt: unixMs(issuedAt) }
  const signed = signNumbered(kind, fields, signer.coseSigner())
  const verifiers = ca.trust.signingKeys[ROLES[kind]]
  const object = verifyNumbered(kind, signed, { maxBytes: 1 << 20, verifiers })
  if (isRefusal(object)) throw new TypeError(object.rule)
  return { signed, object }
}

const bodies: Readonly<Record<NumberedKind, CborInput>> = {
  directory: encodeDirectory([]),
  'lock-list': encodeLockList(EMPTY_LOCK_LIST),
  manifest: { any: 'thing' },
}

/** A lock list that names principals. */
export function locksOf(principals: readonly string[]): CborInput {
  return encodeLockList({ ...EMPTY_LOCK_LIST, principals })
}

/** A member with its keys, and the leaf that the authority issued. */
export interface TestMember {
  readonly principal: Principal
  readonly device: TestDevice
  readonly facts: Omit<RecoveryClaim, 'proof'>
  claim(exporter?: Uint8Array): RecoveryClaim
}

/** Makes a member. */
export function testMember(
  ca: CertificateAuthority,
  options: { readonly generation?: number; readonly named?: Principal } = {},
): TestMember {
  const { generation = 1, named = principal() } = options
  const device = createDevice()
  const { identitySpki, tlsSpki, identity } = requestKeys(device)
  const { der } = ca.issueLeaf({
    principal: named,
    tlsSpki,
    identity: { floor: 'SEC-2', generation, identityKeyHash: sha256(identitySpki) },
    usage: 'peer',
    lifeMs: DAY_MS,
  })
  const facts = {
    leaf: der,
    identitySpki,
    kemSpki: device.kem.spki,
    logSpkis: device.logs.map(({ spki }) => spki),
  }
  return {
    principal: named,
    device,
    facts,
    claim: (exporter = EXPORTER) => createClaim(facts, exporter, identity),
  }
}

/** Of a held object: era and number. */
export function placeOf({ era, number }: NumberedObject): string {
  return `${era}.${number}`
}
