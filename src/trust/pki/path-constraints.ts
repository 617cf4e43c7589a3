import type {
  DistinguishedName,
  PkixCertificate,
  PkixGeneralNames,
  PkixNameConstraints,
} from '../../foundation/codec/index.ts'
import { type PathProblem, problem } from './path-reasons.ts'
import type { WorkMeter } from './path-work.ts'

/** The kinds of name that constraints can speak of, with how a name lies in a base's subtree. */
const FORMS = {
  dnsNames: { permits: isDnsWithin, excludes: touchesDns },
  uris: { permits: isUriWithin, excludes: isUriWithin },
  emailAddresses: { permits: isMailboxWithin, excludes: isMailboxWithin },
  ipAddresses: { permits: isAddressWithin, excludes: isAddressWithin },
  directoryNames: { permits: isDirectoryWithin, excludes: isDirectoryWithin },
} as const
type Form = keyof typeof FORMS

/** A certificate's names by form: the alternative names and what the subject adds. */
type Names = Pick<PkixGeneralNames, Form | 'otherForms'>

const NO_NAMES: Names = Object.freeze({
  dnsNames: [],
  uris: [],
  emailAddresses: [],
  ipAddresses: [],
  directoryNames: [],
  otherForms: [],
})

// RFC 5280 section 4.2.1.10: directory name constraints apply to the subject, those of mail to its
// emailAddress attributes. The common name is never a host name here, so nothing else counts.
function namesOf(certificate: PkixCertificate): Names {
  const { subject, subjectAltNames = NO_NAMES } = certificate
  return {
    ...subjectAltNames,
    emailAddresses: [...subjectAltNames.emailAddresses, ...subject.emailAddresses],
    directoryNames: [
      ...subjectAltNames.directoryNames,
      ...(subject.steps.length > 0 ? [subject] : []),
    ],
  }
}

/**
 * Checks the names of a certificate against the constraints of all CAs above it. Each CA's
 * permitted subtrees must hold on their own, which is their intersection; the excluded ones add up.
 *
 * @returns `name-not-permitted`, `name-excluded`, `name-form`, or `work-limit`
 * @see RFC 5280 sections 6.1.3 (b), (c) and 6.1.4 (g)
 */
export function constraintsProblem(
  certificate: PkixCertificate,
  constraints: readonly PkixNameConstraints[],
  work: WorkMeter,
): PathProblem | undefined {
  if (constraints.length === 0) return undefined
  const names = namesOf(certificate)
  for (const { permitted, excluded } of constraints) {
    const failed =
      (permitted && subtreesProblem(names, permitted, { work, side: 'permits' })) ??
      (excluded && subtreesProblem(names, excluded, { work, side: 'excludes' }))
    if (failed) return failed
  }
  return undefined
}

interface Side {
  readonly work: WorkMeter
  readonly side: 'permits' | 'excludes'
}

function subtreesProblem(
  names: Names,
  bases: PkixGeneralNames,
  { work, side }: Side,
): PathProblem | undefined {
  // RFC 5280 section 4.2.1.10: a form that cannot be processed refuses the names of that form.
  if (names.otherForms.some((form) => bases.otherForms.includes(form))) {
    return problem('name-form', 'other')
  }
  for (const form of Object.keys(FORMS) as Form[]) {
    const count = names[form].length * bases[form].length
    if (count === 0) continue
    if (!work.compareNames(count)) return problem('work-limit', 'names')
    // RFC 5280 section 4.2.1.10: a URI without a host name MUST be rejected.
    if (form === 'uris' && names.uris.some((uri) => uriHost(uri) === undefined)) {
      return problem('name-form', 'uri-host')
    }
    const failed = formProblem(form, [names[form], bases[form]], side)
    if (failed) return failed
  }
  return undefined
}

function formProblem(
  form: Form,
  [names, bases]: readonly [names: readonly unknown[], bases: readonly unknown[]],
  side: Side['side'],
): PathProblem | undefined {
  const lies = FORMS[form][side] as (name: unknown, base: unknown) => boolean
  const isWithin = (name: unknown): boolean => bases.some((base) => lies(name, base))
  if (side === 'excludes') return names.some(isWithin) ? problem('name-excluded', form) : undefined
  return names.every(isWithin) ? undefined : problem('name-not-permitted', form)
}

// RFC 5280 section 4.2.1.10: the base and every name made by adding labels on its left.
function isDnsWithin(name: string, base: string): boolean {
  const [lower, root] = [name.toLowerCase(), base.toLowerCase()]
  if (root === '') return true
  if (root.startsWith('.')) return lower.endsWith(root)
  return lower === root || lower.endsWith(`.${root}`)
}

// A wildcard stands for names: it touches an excluded subtree whose base is one of them.
function touchesDns(name: string, base: string): boolean {
  if (isDnsWithin(name, base)) return true
  if (!name.startsWith('*.')) return false
  const [, ...parent] = base.toLowerCase().split('.')
  return !base.startsWith('.') && parent.join('.') === name.slice(2).toLowerCase()
}

const AUTHORITY = /^[^:]+:\/\/(?:[^/?#@]*@)?([^/?#:@]+)(?::[0-9]*)?(?:[/?#]|$)/
const HOST_LABELS = /^[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/
const ENDS_IN_NUMBER = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/

/** The lower-case host name of a URI; `undefined` when it has none, or an address. */
function uriHost(uri: string): string | undefined {
  const host = AUTHORITY.exec(uri)?.[1]?.toLowerCase()
  return host !== undefined && HOST_LABELS.test(host) && !ENDS_IN_NUMBER.test(host)
    ? host
    : undefined
}

// RFC 5280 section 4.2.1.10: the host itself, or after a leading dot only what lies below.
function isUriWithin(uri: string, base: string): boolean {
  return isHostWithin(uriHost(uri) ?? '', base.toLowerCase())
}

function isHostWithin(host: string, base: string): boolean {
  return base.startsWith('.') ? host.endsWith(base) : host === base
}

// RFC 5280 section 4.2.1.10: a mailbox, all mailboxes of a host, or of the hosts below a domain.
function isMailboxWithin(mailbox: string, base: string): boolean {
  const at = mailbox.lastIndexOf('@')
  const host = mailbox.slice(at + 1).toLowerCase()
  const baseAt = base.lastIndexOf('@')
  if (baseAt < 0) return isHostWithin(host, base.toLowerCase())
  // RFC 5280 section 7.5: the local part as it is, the host without case.
  return (
    mailbox.slice(0, Math.max(at, 0)) === base.slice(0, baseAt) &&
    host === base.slice(baseAt + 1).toLowerCase()
  )
}

// RFC 5280 section 4.2.1.10: address and mask; IPv4 and IPv6 never lie in one another.
function isAddressWithin(address: Uint8Array, base: Uint8Array): boolean {
  const size = address.length
  if (base.length !== 2 * size) return false
  return address.every((byte, i) => {
    const mask = base[size + i] ?? 0
    return (byte & mask) === ((base[i] ?? 0) & mask)
  })
}

// RFC 5280 section 7.1: the base's steps come first in the name.
function isDirectoryWithin(name: DistinguishedName, base: DistinguishedName): boolean {
  return base.steps.every((step, i) => name.steps[i] === step)
}
