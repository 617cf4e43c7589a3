import {
  type AuthorityClient,
  isCertificateRefusal,
  type Member,
  openMember,
} from '../node/index.ts'
import { renewAtMs } from '../../trust/pki/index.ts'
import { type CliWorld, configFolder } from './context.ts'
import { cliErrors } from './errors.ts'

/** Longest silence of the authority in milliseconds. */
const AUTHORITY_TIMEOUT_MS = 10_000

/**
 * Opens the credential that a command acts with.
 *
 * @param world - see {@link CliWorld}
 * @param folder - another credential's folder, for example a node's state folder
 * @throws {@link KosError} KOS_CLI_CREDENTIAL when there is none
 */
export function openCredential(world: CliWorld, folder?: string): Member {
  const place = folder ?? configFolder(world.environment)
  const member = openMember(world, { folder: place, onKeepFailed: () => undefined })
  if (!member) throw cliErrors.error('KOS_CLI_CREDENTIAL', { folder: place })
  return member
}

/**
 * Runs work with the operator's credential, which it keeps alive: one that has ended is renewed
 * before, one past half of its life afterwards, quietly.
 *
 * @throws {@link KosError} KOS_CLI_CREDENTIAL; KOS_NODE_REFUSED when an ended credential cannot be
 * renewed; what the work throws
 * @see identity: Renewal and absence
 */
export async function withCredential<T>(
  world: CliWorld,
  work: (member: Member) => Promise<T>,
): Promise<T> {
  let member = openCredential(world)
  try {
    if (member.clock.wallMs() >= member.validity.notAfter) {
      const { renewEnded } = await import('./credential-renewal.ts')
      await renewEnded(member)
      member.close()
      member = openCredential(world)
    }
    return await work(member)
  } finally {
    const isDue = isRenewalDue(world, member)
    member.close()
    if (isDue) {
      const { renewQuietly } = await import('./credential-renewal.ts')
      await renewQuietly(world)
    }
  }
}

/** Runs work with a verified connection to the authority, and closes both afterwards. */
export function withAuthority<T>(
  world: CliWorld,
  work: (client: AuthorityClient, member: Member) => Promise<T>,
): Promise<T> {
  return withCredential(world, async (member) => {
    const client = renewing(member, await member.connectAuthority(AUTHORITY_TIMEOUT_MS))
    // It may ask for another certificate.
    member.fabric.apply('bundle', client.bundleBytes)
    try {
      return await work(client, member)
    } finally {
      client.close()
    }
  })
}

/** A certificate that was revoked is replaced once, and the request made again: it was not acted on. */
function renewing(member: Member, first: AuthorityClient): AuthorityClient {
  let client = first
  let hasTried = false
  return {
    ...first,
    request: async (...request) => {
      const answer = await client.request(...request)
      if (hasTried || !isCertificateRefusal(answer)) return answer
      hasTried = true
      const { renewRefused } = await import('./credential-renewal.ts')
      if (!(await renewRefused(member))) return answer
      client.close()
      client = await member.connectAuthority(AUTHORITY_TIMEOUT_MS)
      return client.request(...request)
    },
    close: () => client.close(),
  }
}

/** Whether a credential is past half of its life or its issuer on its way out, and it has not ended. */
export function isRenewalDue({ random }: CliWorld, member: Member): boolean {
  const { clock, validity, isIssuerTainted } = member
  const now = clock.wallMs()
  const { notBefore, notAfter } = validity
  const isDue = isIssuerTainted || now >= renewAtMs(notBefore, notAfter, random)
  return now < notAfter && isDue
}
