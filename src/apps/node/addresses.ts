import { networkInterfaces } from 'node:os'

/** A host and a port. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Most addresses that a directory entry takes. */
const MAX_ADDRESSES = 8

/**
 * Parses `host:port`; IPv6 addresses stand in brackets.
 *
 * @returns the parts, or `undefined` when the text is anything else
 */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^([A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):([0-9]{1,5})$/.exec(text)
  const port = Number(match?.[2])
  return match?.[1] !== undefined && port <= 65_535 ? { host: match[1], port } : undefined
}

/** Writes `host:port`; IPv6 addresses get brackets. */
export function formatHostPort(at: HostPort): string {
  const host = at.host.includes(':') && !at.host.startsWith('[') ? `[${at.host}]` : at.host
  return `${host}:${at.port}`
}

/** A host as sockets take it: without the brackets of an IPv6 address. */
export function plainHost(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}

/**
 * Hosts under which a listener is reached: its own, or the addresses of this machine when it listens
 * on all of them.
 */
export function reachableHosts(host: string): readonly string[] {
  const plain = plainHost(host)
  if (plain !== '0.0.0.0' && plain !== '::') return [host]
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    // A link-local address means nothing without the name of the link.
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .filter(({ family }) => plain === '::' || family === 'IPv4')
    .map(({ address }) => address)
  return found.length === 0 ? ['127.0.0.1'] : found.slice(0, MAX_ADDRESSES)
}

/** MAC addresses of the network interfaces of this machine, loopback left out. */
export function permanentMacs(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal }) => !internal)
    .map(({ mac }) => mac)
}
