import {
  fromBase64Url,
  refuse,
  type Refusal,
  Secret,
  toBase64Url,
} from '../../foundation/base/index.ts'
import { enrolmentErrors } from './errors.ts'
import { splitHostPort } from './host-port.ts'

/** What one join line carries. The secret is single-use and lives at most as long as its token. */
export interface JoinLine {
  /** A host name, an IPv4 address, or an IPv6 address in brackets. */
  readonly host: string
  /** 1 to 65535. */
  readonly port: number
  /** base64url SHA-256 over both root SPKIs. */
  readonly pin: string
  /** base64url, 16 bytes. */
  readonly tokenId: string
  /** 32 bytes. */
  readonly secret: Secret
}

const MAX_LINE = 512
const PIN_BYTES = 32
const TOKEN_ID_BYTES = 16
const SECRET_BYTES = 32

/**
 * Writes the one line a device joins with.
 *
 * @param line - see {@link JoinLine}
 * @returns `kos://host:port#<pin>.<token id>.<secret>`
 * @throws KosError KOS_ENROLMENT_JOIN_LINE when a part could not be read back; the rule names it
 *
 * **Security:** the line contains the secret: print it once, to the operator alone.
 */
export function formatJoinLine(line: JoinLine): string {
  const { host, port, pin, tokenId, secret } = line
  const address = `${host}:${port}`
  const problem =
    publicProblem({ address, pin, tokenId }) ?? (secret.length === SECRET_BYTES ? '' : 'secret')
  if (problem) throw enrolmentErrors.error('KOS_ENROLMENT_JOIN_LINE', { rule: problem })
  const text = secret.use((bytes) => toBase64Url(bytes))
  return `kos://${address}#${pin}.${tokenId}.${text}`
}

/**
 * Parses `kos://host:port#<pin>.<token id>.<secret>` strictly.
 *
 * @param text - the line, with or without surrounding white space
 * @returns the parts, or a refusal `KOS_ENROLMENT_JOIN_LINE` whose rule names the part: `shape`,
 *   `address`, `pin`, `token-id` or `secret`. The caller disposes of the secret.
 * @see identity: Joining
 */
export function parseJoinLine(text: string): JoinLine | Refusal {
  if (text.length > MAX_LINE) return malformed('shape')
  const match = /^kos:\/\/([^#]+)#([^.]*)\.([^.]*)\.([^.]*)$/.exec(text.trim())
  if (!match) return malformed('shape')
  const [, address = '', pin = '', tokenId = '', secretText = ''] = match
  const problem = publicProblem({ address, pin, tokenId })
  const at = splitHostPort(address)
  if (problem !== undefined || !at) return malformed(problem ?? 'address')
  const secret = fromBase64Url(secretText)
  if (secret?.length !== SECRET_BYTES) return malformed('secret')
  return { ...at, pin, tokenId, secret: Secret.take(secret) }
}

/** Whether a text is the id of a token: 16 bytes in their one base64url form. */
export function isTokenId(text: string): boolean {
  return fromBase64Url(text)?.length === TOKEN_ID_BYTES
}

function publicProblem(parts: {
  readonly address: string
  readonly pin: string
  readonly tokenId: string
}): string | undefined {
  if (!splitHostPort(parts.address)) return 'address'
  if (fromBase64Url(parts.pin)?.length !== PIN_BYTES) return 'pin'
  return isTokenId(parts.tokenId) ? undefined : 'token-id'
}

function malformed(part: string): Refusal {
  return refuse('KOS_ENROLMENT_JOIN_LINE', `join-line/${part}`, {
    remedy: 'Copy the whole line that "kosctl token create" printed.',
  })
}
