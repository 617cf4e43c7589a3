import { isIPv4, isIPv6 } from 'node:net'

/** The parts of `host:port`; an IPv6 address keeps its brackets. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Longest `host:port` in characters: a name of 253, a colon, five digits. */
export const MAX_HOST_PORT = 259

// RFC 1123 section 2.1: labels of 1 to 63 letters, digits and inner hyphens.
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
const NAME = new RegExp(String.raw`^(?=.{1,253}$)(?:${LABEL}\.)*${LABEL}$`)
const BRACKETED = /^\[([0-9A-Fa-f:.]+)\]$/
const NUMERIC_END = /(?:^|\.)[0-9]+$/

/**
 * Splits `host:port` strictly: a host name, an IPv4 address or an IPv6 address in brackets without a
 * zone, and a port from 1 to 65535 without leading zeros.
 *
 * @returns the parts, or `undefined` when the text is anything else
 */
export function splitHostPort(text: string): HostPort | undefined {
  if (text.length > MAX_HOST_PORT) return undefined
  const [, host = '', digits = ''] = /^(.+):([1-9][0-9]{0,4})$/.exec(text) ?? []
  const port = Number(digits)
  return isHost(host) && port <= 65_535 ? { host, port } : undefined
}

function isHost(host: string): boolean {
  const [, inner] = BRACKETED.exec(host) ?? []
  if (inner !== undefined) return isIPv6(inner)
  // A name whose last label is a number would be read as an address of another form by some.
  return NUMERIC_END.test(host) ? isIPv4(host) : NAME.test(host)
}
