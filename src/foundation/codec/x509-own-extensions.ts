import type { DerReader } from './der-reader.ts'
import { contextPrimitive } from './der-tags.ts'
import { x509Error } from './x509-errors.ts'
import {
  checkKeyId,
  type CommonExtensionValues,
  extensionInterpreters,
  type ExtensionInterpreters,
  forEachSubtree,
  type Growing,
  readNameConstraints,
} from './x509-extension-reading.ts'
import { EXTENSION_OID, MAX_SUBTREES } from './x509-extensions.ts'
import { type GeneralNames, readGeneralNames } from './x509-general-names.ts'

/** Subtrees that names below a CA must, or must not, lie in; an absent side says nothing. */
export interface NameConstraints {
  readonly permitted?: NameSubtrees
  readonly excluded?: NameSubtrees
}

/** URI hosts and DNS names; other kinds of subtree are refused. */
export interface NameSubtrees {
  readonly uriHosts: readonly string[]
  readonly dnsNames: readonly string[]
}

/** What the extensions of a certificate say; absent means absent in the certificate. */
export interface X509ExtensionValues extends CommonExtensionValues {
  readonly subjectAltNames?: GeneralNames
  readonly authorityKeyId?: Uint8Array
  readonly nameConstraints?: NameConstraints
}

/** How extensions of certificates that kOS issues are read. */
export const OWN_INTERPRETERS: ExtensionInterpreters<Growing<X509ExtensionValues>> =
  extensionInterpreters<Growing<X509ExtensionValues>>([
    [EXTENSION_OID.subjectAltNames, (r, v) => (v.subjectAltNames = readGeneralNames(r.sequence()))],
    [EXTENSION_OID.authorityKeyId, (r, v) => (v.authorityKeyId = readAuthorityKeyId(r))],
    [
      EXTENSION_OID.nameConstraints,
      (r, v) => (v.nameConstraints = readNameConstraints(r, readSubtrees)),
    ],
  ])

function readAuthorityKeyId(outer: DerReader): Uint8Array {
  const reader = outer.sequence()
  const keyId = checkKeyId(reader.content(contextPrimitive(0)))
  reader.end()
  return keyId
}

function readSubtrees(reader: DerReader): NameSubtrees {
  const uriHosts: string[] = []
  const dnsNames: string[] = []
  forEachSubtree(reader, MAX_SUBTREES, (subtree) => {
    const names = readGeneralNames(subtree)
    // One base per subtree; minimum and maximum are not used. Addresses need a mask: not ours.
    if (names.uris.length + names.dnsNames.length !== 1) throw x509Error('subtree')
    uriHosts.push(...names.uris)
    dnsNames.push(...names.dnsNames)
  })
  return Object.freeze({ uriHosts: Object.freeze(uriHosts), dnsNames: Object.freeze(dnsNames) })
}
