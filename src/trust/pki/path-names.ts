import { equalBytes } from '../../foundation/base/index.ts'
import { codecErrors, ipAddressBytes, type PkixCertificate } from '../../foundation/codec/index.ts'
import { type PathProblem, problem } from './path-reasons.ts'
import type { ExpectedNames } from './path-types.ts'

/**
 * Checks that the target carries every expected name as an alternative name. The subject's common
 * name is never asked.
 *
 * @see RFC 9525 section 6.3, RFC 5280 section 4.2.1.6
 */
export function expectedNamesProblem(
  target: PkixCertificate,
  { uri, dns, ip }: ExpectedNames,
): PathProblem | undefined {
  const names = target.subjectAltNames
  if (uri !== undefined && names?.uris.includes(uri) !== true) return problem('name-uri')
  if (dns !== undefined && names?.dnsNames.some((name) => coversHost(name, dns)) !== true) {
    return problem('name-dns')
  }
  if (ip === undefined) return undefined
  const address = addressBytes(ip)
  const isNamed = address && names?.ipAddresses.some((name) => equalBytes(name, address))
  return isNamed === true ? undefined : problem('name-ip')
}

// RFC 9525 section 6.3: a wildcard is the whole leftmost label and stands for exactly one.
function coversHost(name: string, host: string): boolean {
  const [lower, wanted] = [name.toLowerCase(), host.toLowerCase()]
  if (!lower.startsWith('*.')) return lower === wanted
  const dot = wanted.indexOf('.')
  return dot > 0 && wanted.slice(dot) === lower.slice(1)
}

function addressBytes(ip: string): Uint8Array | undefined {
  try {
    return ipAddressBytes(ip)
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return undefined
  }
}
