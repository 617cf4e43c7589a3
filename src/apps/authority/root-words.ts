import { toHex } from '../../foundation/base/index.ts'
import { parseCertificate } from '../../foundation/codec/index.ts'
import {
  askedIntermediate,
  type OpenedRequest,
  type TrustedIntermediate,
} from '../../trust/pki/index.ts'

/** Digits of a key identifier that are shown, as everywhere. */
const SHOWN = 16

/**
 * What a request changes against the trust bundle that it carries, for the person who signs it: one
 * line per change.
 *
 * @param opened - a request whose bundle was verified
 */
export function rootRequestWords(opened: OpenedRequest): readonly string[] {
  const { request, current } = opened
  const { era, retired, intermediate } = request
  const was = current.standbys
  const words: string[] = []
  if (era !== current.era) {
    words.push(`opens era ${era}: what was signed in era ${current.era} and is not in here is void`)
  }
  const asked = askedIntermediate(opened)
  if (intermediate && asked) {
    const [from, to] = [asked.notBefore, asked.notAfter].map((at) => new Date(at).toISOString())
    words.push(
      `permits another intermediate CA: kOS Intermediate ${intermediate.ordinal}`,
      `its key ${shown(asked.keyId)}, from ${dayOf(from)} to ${dayOf(to)}`,
    )
  }
  for (const der of request.readmitted) {
    const { subjectKeyId } = parseCertificate(der)
    words.push(`lets certificates of the lost intermediate CA ${shown(subjectKeyId ?? der)} count`)
  }
  for (const keyId of retired) {
    words.push(`takes out the intermediate CA ${shown(keyId)}: its certificates are refused`)
  }
  const has = (list: readonly Uint8Array[], one: Uint8Array): boolean =>
    list.some((keyId) => toHex(keyId) === toHex(one))
  for (const one of current.intermediates) {
    const keyId = keyIdOf(one)
    if (has(retired, keyId) || one.isTainted === has(request.tainted, keyId)) continue
    words.push(
      one.isTainted
        ? `clears the taint of the intermediate CA ${shown(keyId)}`
        : `taints the intermediate CA ${shown(keyId)}: its certificates are renewed soon`,
    )
  }
  for (const { principal, maxMs, spki } of request.standbys) {
    const same = was.find(
      (one) =>
        one.principal === principal && one.maxMs === maxMs && toHex(one.spki) === toHex(spki),
    )
    if (same) continue
    const minutes = Math.round(maxMs / 60_000)
    words.push(`lets ${principal} vouch for the lock list for ${minutes} min`)
  }
  for (const { principal } of was) {
    const stays = request.standbys.some((one) => one.principal === principal)
    if (!stays) words.push(`takes ${principal} back as a standby signer`)
  }
  return words.length > 0 ? words : ['nothing but the number and the date']
}

const dayOf = (iso: string = ''): string => iso.slice(0, 10)

function shown(keyId: Uint8Array): string {
  return toHex(keyId).slice(0, SHOWN)
}

function keyIdOf({ certificate }: TrustedIntermediate): Uint8Array {
  return certificate.subjectKeyId ?? new Uint8Array()
}
