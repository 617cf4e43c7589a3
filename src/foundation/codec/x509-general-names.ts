import { isIPv4, isIPv6 } from 'node:net'
import { concatBytes } from '../base/index.ts'
import type { DerReader } from './der-reader.ts'
import { contextPrimitive } from './der-tags.ts'
import { derIa5, derTlv } from './der-writer.ts'
import { x509Error } from './x509-errors.ts'

/** The kinds of GeneralName that kOS reads and writes, each in order of appearance. */
export interface GeneralNames {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  /** IPv4 dotted, IPv6 in the RFC 5952 form. */
  readonly ipAddresses: readonly string[]
}

// RFC 5280 section 4.2.1.6: the context tags of GeneralName.
const DNS_NAME = contextPrimitive(2)
const URI = contextPrimitive(6)
const IP_ADDRESS = contextPrimitive(7)

const MAX_NAMES = 64
const MAX_URI_CHARACTERS = 2048
/** A host name, or one below a wildcard; labels of 1 to 63 characters, 253 in all. */
export const DNS_PATTERN: RegExp =
  /^(?=.{1,253}$)(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62}))*$/

/** Encodes names as the elements of a GeneralNames sequence: URIs, DNS names, addresses. */
export function encodeGeneralNames(names: Partial<GeneralNames>): Uint8Array {
  const parts: Uint8Array[] = []
  for (const uri of names.uris ?? []) parts.push(derIa5(URI, checkUri(uri)))
  for (const dnsName of names.dnsNames ?? []) parts.push(derIa5(DNS_NAME, checkDns(dnsName)))
  for (const address of names.ipAddresses ?? []) {
    parts.push(derTlv(IP_ADDRESS, ipAddressBytes(address)))
  }
  if (parts.length < 1 || parts.length > MAX_NAMES) throw x509Error('names-count')
  return concatBytes(...parts)
}

/** Reads the elements of a GeneralNames sequence; other kinds of name are refused. */
export function readGeneralNames(reader: DerReader): GeneralNames {
  const uris: string[] = []
  const dnsNames: string[] = []
  const ipAddresses: string[] = []
  for (let count = 0; count === 0 || !reader.atEnd; count++) {
    if (count === MAX_NAMES) throw x509Error('names-count')
    const tag = reader.nextTag
    if (tag === URI) uris.push(checkUri(reader.ia5String(URI)))
    else if (tag === DNS_NAME) dnsNames.push(checkDns(reader.ia5String(DNS_NAME)))
    else if (tag === IP_ADDRESS) ipAddresses.push(ipAddressText(reader.content(IP_ADDRESS)))
    else throw x509Error('names-kind')
  }
  return Object.freeze({
    uris: Object.freeze(uris),
    dnsNames: Object.freeze(dnsNames),
    ipAddresses: Object.freeze(ipAddresses),
  })
}

function checkUri(uri: string): string {
  if (uri.length < 1 || uri.length > MAX_URI_CHARACTERS) throw x509Error('names-uri')
  return uri
}

function checkDns(dnsName: string): string {
  if (!DNS_PATTERN.test(dnsName)) throw x509Error('names-dns')
  return dnsName
}

/**
 * The 4 or 16 bytes of an IP address in text form, without a zone.
 *
 * @throws KosError KOS_CODEC_X509 `names-ip` when the text is not an address
 */
export function ipAddressBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split('.'), Number)
  if (!isIPv6(address) || address.includes('%')) throw x509Error('names-ip')
  // The URL parser knows every notation of IPv6 and answers in the one of RFC 5952.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const bytes = Buffer.alloc(16)
  before.forEach((group, i) => bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i))
  after.forEach((group, i) =>
    bytes.writeUInt16BE(Number.parseInt(group, 16), 16 - 2 * (after.length - i)),
  )
  return bytes
}

/**
 * The text form of an address of 4 or 16 bytes.
 *
 * @throws KosError KOS_CODEC_X509 `names-ip` on another length
 */
export function ipAddressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) throw x509Error('names-ip')
  const groups: string[] = []
  for (let i = 0; i < 16; i += 2) {
    groups.push((((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)).toString(16))
  }
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
