import { isIPv4, isIPv6 } from 'node:net'

/** Where a connection comes from, in the terms of the limits. */
export interface Source {
  /** Normalised text: an IPv4-mapped IPv6 address is the IPv4 address it carries. */
  readonly address: string
  readonly family: 'ipv4' | 'ipv6'
  /** The prefixes counted, narrowest first: IPv4 /32; IPv6 /64, /56, /48. */
  readonly prefixes: readonly [narrow: string, ...wide: readonly string[]]
}

/**
 * Reads the address of a socket.
 *
 * @param text - as `socket.remoteAddress` gives it; a zone index (`%eth0`) is ignored
 * @returns the source, or `undefined` when the text is not an IP address
 * @see RFC 4291 section 2.5.5.2 for IPv4-mapped addresses
 */
export function parseSource(text: string): Source | undefined {
  if (isIPv4(text)) return ipv4Source(text)
  if (!isIPv6(text)) return undefined
  const zone = text.indexOf('%')
  const groups = ipv6Groups(zone < 0 ? text : text.slice(0, zone))
  // A dual-stack socket reports IPv4 peers as ::ffff:a.b.c.d: without this they would share one /64
  // and pass every IPv4 entry of the block list.
  return isMapped(groups) ? ipv4Source(embeddedIpv4(groups)) : ipv6Source(groups)
}

function ipv4Source(address: string): Source {
  return { address, family: 'ipv4', prefixes: [`${address}/32`] }
}

function ipv6Source(groups: readonly number[]): Source {
  const hex = groups.map((group) => group.toString(16))
  const site = hex.slice(0, 3).join(':')
  const subnet = groups[3] ?? 0
  return {
    address: hex.join(':'),
    family: 'ipv6',
    prefixes: [
      `${site}:${subnet.toString(16)}::/64`,
      `${site}:${(subnet & 0xff00).toString(16)}::/56`,
      `${site}::/48`,
    ],
  }
}

/** The eight groups of a valid IPv6 text. @see RFC 4291 section 2.2 */
function ipv6Groups(text: string): readonly number[] {
  const [head = '', tail] = text.split('::')
  const left = groupsOf(head)
  if (tail === undefined) return left
  const right = groupsOf(tail)
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right]
}

function groupsOf(text: string): readonly number[] {
  if (text === '') return []
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}

function isMapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)
}

function embeddedIpv4(groups: readonly number[]): string {
  const [high = 0, low = 0] = groups.slice(6)
  return [high >>> 8, high & 255, low >>> 8, low & 255].join('.')
}
