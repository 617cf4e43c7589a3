/** A chain of four certificates with CRLs, of which a test changes what it is about. */
import { sha256, utf8 } from '../../src/foundation/base/index.ts'
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  derInteger,
  derOid,
  derSequence,
  derTlv,
  extendedKeyUsageExtension,
  KEY_PURPOSE,
  keyUsageExtension,
  type KeyUsage,
  type ObjectIdentifier,
  subjectAltNamesExtension,
  subjectKeyIdExtension,
  type X509Extension,
} from '../../src/foundation/codec/index.ts'
import {
  type PathInput,
  type PathRefusal,
  validatePath,
  type ValidatedPath,
} from '../../src/trust/pki/index.ts'
import {
  encodePkix,
  encodePkixCrl,
  nameStep,
  nextSerial,
  PKIX_NOW,
  type PkixCrlParts,
  type PkixKey,
  pkixKey,
  pkixName,
  type PkixParts,
  rawExtension,
} from './pkix.ts'

/** A link of the chain before it is signed; tests change it in place. */
export interface LinkSpec {
  key: PkixKey
  /** Who signs instead of the key of the link above. */
  signer?: PkixKey
  parts: { -readonly [K in keyof PkixParts]: PkixParts[K] }
  /** Extensions by name, in order of appearance. */
  extensions: Map<string, X509Extension | Uint8Array>
}

/** A CRL before it is signed. */
export interface CrlSpec {
  key: PkixKey
  parts: { -readonly [K in keyof PkixCrlParts]: PkixCrlParts[K] }
  extensions: Map<string, X509Extension>
}

/** Positions of the chain; the depth of a certificate in messages. */
export const DEPTH = { leaf: 0, second: 1, first: 2, root: 3 } as const
export type Position = keyof typeof DEPTH

/** The whole chain before it is signed. */
export interface ChainSpec {
  readonly links: Record<Position, LinkSpec>
  /** The list of the issuer of each; nobody lists the root. */
  readonly crls: Record<Exclude<Position, 'root'>, CrlSpec>
  input: { -readonly [K in keyof PathInput]?: PathInput[K] }
}

export const TEST_POLICY = '1.3.6.1.4.1.99999.1'

/** A GeneralSubtree around one encoded GeneralName. */
export const subtree = (tag: number, value: string | Uint8Array): Uint8Array =>
  derSequence(derTlv(tag, typeof value === 'string' ? utf8(value) : value))

/** Name constraints from encoded subtrees. */
export function nameConstraints(
  permitted: readonly Uint8Array[],
  excluded: readonly Uint8Array[] = [],
): X509Extension {
  const side = (tag: number, subtrees: readonly Uint8Array[]): readonly Uint8Array[] =>
    subtrees.length > 0 ? [derTlv(tag, Buffer.concat(subtrees))] : []
  const value = derSequence(...side(0xa0, permitted), ...side(0xa1, excluded))
  return rawExtension('2.5.29.30', value, true)
}

/** Certificate policies without qualifiers. */
export const policies = (
  oids: readonly ObjectIdentifier[],
  critical: boolean = false,
): X509Extension =>
  rawExtension('2.5.29.32', derSequence(...oids.map((oid) => derSequence(derOid(oid)))), critical)

/** Policy constraints: skip counts. */
export const policyConstraints = (explicit?: number, mapping?: number): X509Extension =>
  rawExtension(
    '2.5.29.36',
    derSequence(
      ...(explicit === undefined ? [] : [derTlv(0x80, Uint8Array.of(explicit))]),
      ...(mapping === undefined ? [] : [derTlv(0x81, Uint8Array.of(mapping))]),
    ),
    true,
  )

/** Policy mappings, issuer's policy first. */
export const policyMappings = (
  pairs: readonly (readonly [issuer: string, subject: string])[],
): X509Extension =>
  rawExtension(
    '2.5.29.33',
    derSequence(...pairs.map(([issuer, subject]) => derSequence(derOid(issuer), derOid(subject)))),
    true,
  )

export const inhibitAnyPolicy = (skip: number): X509Extension =>
  rawExtension('2.5.29.54', derInteger(skip), true)

const keyId = (key: PkixKey): Uint8Array => sha256(key.spki).subarray(0, 20)

/** Extensions of a CA. */
export function caExtensions(
  key: PkixKey,
  issuer: PkixKey,
  pathLength?: number,
): Map<string, X509Extension | Uint8Array> {
  return new Map<string, X509Extension | Uint8Array>([
    [
      'basicConstraints',
      basicConstraintsExtension(pathLength === undefined ? { ca: true } : { ca: true, pathLength }),
    ],
    ['keyUsage', keyUsageExtension(['keyCertSign', 'cRLSign'])],
    ['subjectKeyId', subjectKeyIdExtension(keyId(key))],
    ['authorityKeyId', authorityKeyIdExtension(keyId(issuer))],
  ])
}

/** Extensions of an end entity. */
export function leafExtensions(
  key: PkixKey,
  issuer: PkixKey,
): Map<string, X509Extension | Uint8Array> {
  const usages: readonly KeyUsage[] = ['digitalSignature']
  return new Map<string, X509Extension | Uint8Array>([
    ['basicConstraints', basicConstraintsExtension({ ca: false })],
    ['keyUsage', keyUsageExtension(usages)],
    ['extendedKeyUsage', BOTH_PURPOSES],
    [
      'subjectAltNames',
      subjectAltNamesExtension({
        uris: ['spiffe://example.com/device/1'],
        dnsNames: ['leaf.example.com'],
        ipAddresses: ['192.0.2.7'],
      }),
    ],
    ['subjectKeyId', subjectKeyIdExtension(keyId(key))],
    ['authorityKeyId', authorityKeyIdExtension(keyId(issuer))],
    ['certificatePolicies', policies([TEST_POLICY])],
  ])
}

export const BOTH_PURPOSES: X509Extension = extendedKeyUsageExtension([
  KEY_PURPOSE.serverAuth,
  KEY_PURPOSE.clientAuth,
])

/** A chain that is right in every respect: root, first, second, leaf, and a CRL for each issuer. */
export function validChain(): ChainSpec {
  const [root, first, second, leaf] = [
    pkixKey('P-256', 'root'),
    pkixKey('P-256', 'first'),
    pkixKey('P-256', 'second'),
    pkixKey('P-256', 'leaf'),
  ]
  const names = {
    root: pkixName('Test', 'Root'),
    first: pkixName('Example', 'First'),
    second: pkixName('Example', 'Second'),
    leaf: pkixName('Example', 'leaf'),
  }
  const link = (
    key: PkixKey,
    [subject, issuer]: readonly [Uint8Array, Uint8Array],
    extensions: Map<string, X509Extension | Uint8Array>,
  ): LinkSpec => ({
    key,
    parts: { issuer, subject, spki: key.spki, serial: nextSerial(), extensions: [] },
    extensions,
  })
  const links = {
    root: link(root, [names.root, names.root], caExtensions(root, root, 2)),
    first: link(first, [names.first, names.root], caExtensions(first, root, 1)),
    second: link(second, [names.second, names.first], caExtensions(second, first, 0)),
    leaf: link(leaf, [names.leaf, names.second], leafExtensions(leaf, second)),
  }
  links.first.extensions.set('certificatePolicies', policies([TEST_POLICY], true))
  links.first.extensions.set(
    'nameConstraints',
    nameConstraints(
      [
        subtree(0x82, 'example.com'),
        subtree(0x86, 'example.com'),
        subtree(0x87, Uint8Array.of(192, 0, 2, 0, 255, 255, 255, 0)),
        subtree(0xa4, derSequence(nameStep('2.5.4.10', 'Example'))),
      ],
      [subtree(0x82, 'evil.example.com')],
    ),
  )
  links.second.extensions.set('certificatePolicies', policies([TEST_POLICY]))
  links.second.extensions.set('extendedKeyUsage', BOTH_PURPOSES)
  const crl = (key: PkixKey, issuer: Uint8Array): CrlSpec => ({
    key,
    parts: { issuer, extensions: [] },
    extensions: new Map([
      ['authorityKeyId', authorityKeyIdExtension(keyId(key))],
      ['crlNumber', rawExtension('2.5.29.20', derInteger(5))],
    ]),
  })
  return {
    links,
    crls: {
      first: crl(root, names.root),
      second: crl(first, names.first),
      leaf: crl(second, names.second),
    },
    input: {
      nowMs: PKIX_NOW,
      purpose: 'both',
      names: {
        uri: 'spiffe://example.com/device/1',
        dns: 'leaf.example.com',
        ip: '192.0.2.7',
      },
    },
  }
}

/** The signed certificates and lists of a chain. */
export interface SignedChain {
  readonly root: Uint8Array
  readonly first: Uint8Array
  readonly second: Uint8Array
  readonly leaf: Uint8Array
  readonly crls: readonly Uint8Array[]
}

/** Signs a chain as it stands. */
export function signChain({ links, crls }: ChainSpec): SignedChain {
  const encode = (link: LinkSpec, issuer: LinkSpec): Uint8Array =>
    encodePkix(
      { ...link.parts, extensions: [...link.extensions.values()] },
      link.signer ?? issuer.key,
    )
  return {
    root: encode(links.root, links.root),
    first: encode(links.first, links.root),
    second: encode(links.second, links.first),
    leaf: encode(links.leaf, links.second),
    crls: Object.values(crls).map(({ key, parts, extensions }) =>
      encodePkixCrl({ ...parts, extensions: [...extensions.values()] }, key),
    ),
  }
}

/** The input of a signed chain. */
export function chainInput(spec: ChainSpec, signed: SignedChain = signChain(spec)): PathInput {
  return {
    target: signed.leaf,
    candidates: [signed.first, signed.second],
    anchors: [signed.root],
    nowMs: PKIX_NOW,
    purpose: 'both',
    crls: signed.crls,
    ...spec.input,
  }
}

/** Signs and validates. */
export function validateChain(spec: ChainSpec): ValidatedPath | PathRefusal {
  return validatePath(chainInput(spec))
}

/** The verdict as text: `accepted`, or rule, detail and depth. */
export function verdict(result: ValidatedPath | PathRefusal): string {
  if (result.allow) return 'accepted'
  const detail = result.details?.['detail']
  return `${result.rule}${detail === undefined ? '' : ` ${String(detail)}`} @${result.depth}`
}
