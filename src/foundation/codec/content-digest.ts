import { hash } from 'node:crypto'
import { equalConstantTime } from '../base/index.ts'
import { codecErrors } from './errors.ts'
import { parseDictionary } from './structured-fields.ts'

/** The algorithms that are fit for adversaries. @see RFC 9530 section 5 */
const ALGORITHMS: Readonly<Record<string, string>> = { 'sha-256': 'sha256', 'sha-512': 'sha512' }

/**
 * The `Content-Digest` of a body, by SHA-256.
 *
 * @param body - the content as it is sent
 * @returns the value of the field
 * @see RFC 9530 section 2
 */
export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${hash('sha256', body, 'base64')}:`
}

/**
 * Whether a body has the digests that a `Content-Digest` names. All of them must be SHA-256 or SHA-512
 * and hold: an algorithm that is not known refuses.
 *
 * @param field - value of the only `Content-Digest` field
 * @param body - the content as it came
 * @see RFC 9530 section 2
 */
export function verifyContentDigest(field: string, body: Uint8Array): boolean {
  try {
    const digests = parseDictionary(field)
    for (const [name, member] of digests) {
      const algorithm = Object.hasOwn(ALGORITHMS, name) ? ALGORITHMS[name] : undefined
      if (algorithm === undefined || 'items' in member || member.item.kind !== 'bytes') return false
      if (member.parameters.size > 0) return false
      const digest = hash(algorithm, body, 'buffer')
      if (!equalConstantTime(digest, member.item.value)) return false
    }
    return digests.size > 0
  } catch (error) {
    if (codecErrors.has(error)) return false
    throw error
  }
}
