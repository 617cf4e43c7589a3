import { networkInterfaces } from 'node:os'
import { nodeErrors } from './errors.ts'

/** A host and a port. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

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

/**
 * Parses `host:port` of a command line.
 *
 * @throws {@link KosError} KOS_NODE_STATE naming the option
 */
export function requireHostPort(text: string, option: string): HostPort {
  const parsed = parseHostPort(text)
  if (!parsed) throw nodeErrors.error('KOS_NODE_STATE', { rule: `${option}: not host:port` })
  return parsed
}

/** MAC addresses of the network interfaces of this machine, loopback left out. */
export function permanentMacs(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal }) => !internal)
    .map(({ mac }) => mac)
}
