import {
  isRefusal,
  parsePrincipal,
  refuse,
  type Refusal,
  toHex,
  type UnixMs,
  unixMs,
  validate,
  zm,
} from '../../foundation/base/index.ts'
import {
  type CertificateRequest,
  cborToPlain,
  codecErrors,
  decodeCbor,
  encodeCbor,
  parseCertificate,
  parseCsr,
  verifyCsr,
} from '../../foundation/codec/index.ts'
import { intermediateName, intermediateValidity, keyIdentifier } from './ca-certificates.ts'
import type { EraNumber } from './numbered.ts'
import { type StandbyFields, standbySchema } from './standby.ts'
import {
  MAX_TRUST_BUNDLE_BYTES,
  type TrustAnchor,
  type TrustBundle,
  verifyTrustBundle,
} from './trust-bundle.ts'

/**
 * What the root keys are asked to say: what is different from the trust bundle in force. Everything
 * else of that bundle stays, so a request cannot ask for more than it shows.
 */
export interface RootRequest extends EraNumber {
  /** Who asked, as the authority knows them; proven by nothing. */
  readonly by: string
  readonly issuedAt: UnixMs
  /** Another intermediate: the request of its key, and the number in its name. */
  readonly intermediate?: { readonly csr: Uint8Array; readonly ordinal: number }
  /**
   * Certificates that these roots permitted in a bundle that is lost here: of intermediates whose leaves
   * count again. Only in a new era.
   */
  readonly readmitted: readonly Uint8Array[]
  /** Key identifiers of the intermediates that go. */
  readonly retired: readonly Uint8Array[]
  /** Key identifiers of all that are tainted from then on. */
  readonly tainted: readonly Uint8Array[]
  /** All standby signers from then on. */
  readonly standbys: readonly StandbyFields[]
}

/** A request beside the trust bundle that it goes on from. */
export interface OpenedRequest {
  readonly request: RootRequest
  readonly current: TrustBundle
}

/** Intermediates that are permitted at one time, but for those that a restore found. */
export const MAX_ACTIVE = 2
/** Intermediates that a bundle holds. */
export const MAX_PERMITTED = 4
/** Largest request that is read: a bundle, a certificate request and three standby signers. */
export const MAX_ROOT_REQUEST_BYTES: number = MAX_TRUST_BUNDLE_BYTES + 32_768
const VERSION = 1
const MAX_BY = 128

const bytes = zm.instanceof(Uint8Array)
const count = zm.int().check(zm.minimum(1))
const keyIds = zm.array(bytes).check(zm.maxLength(MAX_PERMITTED))
const requestSchema = zm.strictObject({
  version: zm.literal(VERSION),
  current: bytes,
  by: zm.string().check(zm.maxLength(MAX_BY)),
  era: count,
  number: count,
  issuedAt: zm.int().check(zm.minimum(0)),
  intermediate: zm.optional(zm.strictObject({ csr: bytes, ordinal: count })),
  readmitted: zm.optional(zm.array(bytes).check(zm.minLength(1), zm.maxLength(MAX_PERMITTED))),
  retired: keyIds,
  tainted: keyIds,
  standbys: zm.optional(standbySchema),
})

/** Encodes a request with the signed bundle that it goes on from, for another machine. */
export function encodeRootRequest(request: RootRequest, current: Uint8Array): Uint8Array {
  const { by, era, number, issuedAt, intermediate, retired, tainted, standbys } = request
  const { readmitted } = request
  return encodeCbor({
    version: VERSION,
    current,
    by: by.slice(0, MAX_BY),
    era,
    number,
    issuedAt,
    ...(intermediate && { intermediate: { ...intermediate } }),
    ...(readmitted.length > 0 && { readmitted }),
    retired,
    tainted,
    ...(standbys.length > 0 && { standbys: standbys.map((standby) => ({ ...standby })) }),
  })
}

/**
 * Reads a request: the bundle in it must be one of the roots, and what it asks for must fit to it.
 *
 * **Security:** whether anybody should sign it is not known here. Who asked is the request's own word.
 *
 * @param encoded - see {@link encodeRootRequest}
 * @param anchor - the roots that are asked
 * @returns the request, or a refusal KOS_PKI_ROOT_REQUEST whose rule names the check
 */
export function readRootRequest(encoded: Uint8Array, anchor: TrustAnchor): OpenedRequest | Refusal {
  const body = decode(encoded)
  if (!body) return requestRefusal('encoding')
  const current = verifyTrustBundle(body.current, anchor)
  if (isRefusal(current)) return requestRefusal(`bundle: ${current.rule}`)
  const { intermediate, standbys = [] } = body
  const request: RootRequest = {
    by: body.by,
    era: body.era,
    number: body.number,
    issuedAt: unixMs(body.issuedAt),
    ...(intermediate && { intermediate }),
    readmitted: body.readmitted ?? [],
    retired: body.retired,
    tainted: body.tainted,
    standbys: standbys.flatMap(({ principal: uri, spki, maxMs }) => {
      const principal = parsePrincipal(uri)?.uri
      return principal ? [{ principal, spki, maxMs }] : []
    }),
  }
  if (request.standbys.length < standbys.length) return requestRefusal('standbys')
  return requestProblem({ request, current }) ?? { request, current }
}

function decode(encoded: Uint8Array): zm.infer<typeof requestSchema> | undefined {
  try {
    const limits = { maxBytes: MAX_ROOT_REQUEST_BYTES }
    const body = validate(requestSchema, cborToPlain(decodeCbor(encoded, limits)))
    return isRefusal(body) ? undefined : body.value
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return undefined
  }
}

/**
 * Why a request does not fit to the bundle that it goes on from. What the new bundle itself would be
 * refused for is found when that one is verified.
 */
export function requestProblem({ request, current }: OpenedRequest): Refusal | undefined {
  const { era, number, retired, intermediate } = request
  if (era < current.era || number <= current.number) return requestRefusal('number')
  const known = keyIdsOf(current)
  if (!retired.every((keyId) => known.has(toHex(keyId)))) return requestRefusal('retired')
  if (new Set(retired.map(toHex)).size !== retired.length) return requestRefusal('retired')
  const { readmitted } = request
  // What the certificates themselves are is found when the new bundle is verified.
  if (readmitted.length > 0 && era === current.era) return requestRefusal('readmitted')
  if (!readmitted.every(isReadable)) return requestRefusal('readmitted')
  const left = known.size - retired.length + readmitted.length + (intermediate ? 1 : 0)
  const most = era === current.era ? Math.max(MAX_ACTIVE, known.size) : MAX_PERMITTED
  if (left < 1 || left > most) return requestRefusal('intermediates')
  return intermediate && !readIntermediateRequest({ request, current })
    ? requestRefusal('intermediate')
    : undefined
}

/** The proof that somebody has the key of the intermediate that is asked for, in its name. */
export function readIntermediateRequest({
  request,
  current,
}: OpenedRequest): CertificateRequest | undefined {
  const { intermediate } = request
  if (!intermediate) return undefined
  try {
    const csr = parseCsr(intermediate.csr)
    const name = intermediateName(current.trustDomain, intermediate.ordinal)
    const fits =
      csr.keyAlgorithm === 'P-256' &&
      toHex(csr.subject.der) === toHex(name.der) &&
      !keyIdsOf(current).has(toHex(keyIdentifier(csr.spki))) &&
      verifyCsr(csr)
    return fits ? csr : undefined
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return undefined
  }
}

/**
 * The intermediate that a request asks for, as it will be.
 *
 * @param opened - a request that was read
 * @returns its key identifier and how long it counts; `undefined` when none is asked for
 */
export function askedIntermediate(
  opened: OpenedRequest,
):
  | { readonly keyId: Uint8Array; readonly notBefore: UnixMs; readonly notAfter: UnixMs }
  | undefined {
  const csr = readIntermediateRequest(opened)
  if (!csr) return undefined
  const { current, request } = opened
  const validity = intermediateValidity(request.issuedAt, current.rootP256Certificate)
  return { keyId: keyIdentifier(csr.spki), ...validity }
}

function isReadable(der: Uint8Array): boolean {
  try {
    parseCertificate(der)
    return true
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return false
  }
}

function keyIdsOf({ intermediates }: TrustBundle): ReadonlySet<string> {
  return new Set(
    intermediates.map(({ certificate }) => toHex(certificate.subjectKeyId ?? new Uint8Array())),
  )
}

/** The refusal of a request, by the check that failed. */
export function requestRefusal(rule: string): Refusal {
  return refuse('KOS_PKI_ROOT_REQUEST', rule)
}
