/** EST clients: PKCS#10 requests and the parts that a test changes about them. */
import assert from 'node:assert/strict'
import { isRefusal } from '../../src/foundation/base/index.ts'
import {
  buildCsr,
  buildName,
  type CsrAttribute,
  extensionRequest,
  parseCertificate,
  type X509Name,
} from '../../src/foundation/codec/index.ts'
import {
  type CreatedToken,
  type EnrolmentGrant,
  type EstEnrolRequest,
  type EstRenewRequest,
  estPassword,
} from '../../src/lifecycle/enrolment/index.ts'
import { createToken, type TestFleet } from './enrolment.ts'
import { testKey, type TestKey } from './x509.ts'

/** The channel binding of the connection that tests use. */
export const BINDING: Uint8Array = new Uint8Array(32).fill(9)

/** A request with a key; it names nobody by default. */
export function estCsr(
  key: TestKey,
  changes: { readonly subject?: X509Name; readonly attributes?: readonly CsrAttribute[] } = {},
): Uint8Array {
  const { subject = buildName([]), attributes = [] } = changes
  return buildCsr({ spki: key.spki, subject, attributes }, key.signer)
}

/** What a client sends with a token. */
export function estEnrolRequest(
  token: CreatedToken,
  key: TestKey,
  changes: Partial<EstEnrolRequest> = {},
): EstEnrolRequest {
  return {
    user: token.record.id,
    password: estPassword(token.secret),
    csr: estCsr(key),
    ...changes,
  }
}

/** A request to renew a certificate, with the names that the certificate has. */
export function estRenewRequest(
  held: { readonly principalId: string; readonly leaf: Uint8Array },
  key: TestKey,
  changes: Partial<EstRenewRequest> = {},
): EstRenewRequest {
  const { principalId, leaf } = held
  return { principalId, leaf, csr: estRenewCsr(leaf, key), ...changes }
}

/** A request with the names of a certificate. */
export function estRenewCsr(leaf: Uint8Array, key: TestKey): Uint8Array {
  const { subject, extensions } = parseCertificate(leaf)
  const names = extensions.filter(({ oid }) => oid === '2.5.29.17')
  return estCsr(key, { subject, attributes: [extensionRequest(names)] })
}

/** A device that came in by EST. */
export interface EstDevice {
  readonly key: TestKey
  readonly grant: EnrolmentGrant
  readonly token: CreatedToken
}

/** Enrols a new device that must be admitted. */
export async function enrolledByEst(fleet: TestFleet, name = 'printer-1'): Promise<EstDevice> {
  const token = await createToken(fleet, { name, origin: 'est' })
  const key = testKey()
  const result = await fleet.estEnrolments.enrol(estEnrolRequest(token, key), BINDING)
  if (isRefusal(result)) assert.fail(`${result.code} ${result.rule}`)
  return { key, grant: result.grant, token }
}
