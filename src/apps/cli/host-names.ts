import { isIP } from 'node:net'
import { plainHost } from '../node/index.ts'

/** Whether a text is an address, in brackets or not, or a host name. */
export function isHost(text: string): boolean {
  return isIP(plainHost(text)) !== 0 || isHostName(text)
}

/** RFC 1123 section 2.1; a machine may be called anything else, a certificate may not. */
export function isHostName(text: string): boolean {
  return (
    isIP(text) === 0 &&
    /^(?:(?!-)[A-Za-z0-9-]{1,63}(?:\.|$)){1,8}$/.test(text) &&
    !text.endsWith('.')
  )
}
