/** Encodings that are broken, in the target and in CAs. */
import { utf8 } from '../../src/foundation/base/index.ts'
import {
  derBitString,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derTlv,
  KEY_PURPOSE,
  keyUsageExtension,
  type X509Extension,
} from '../../src/foundation/codec/index.ts'
import { nameStep, pkixKey, rawExtension } from './pkix.ts'
import {
  type ChainSpec,
  DEPTH,
  nameConstraints,
  policies,
  policyConstraints,
  type Position,
  subtree,
  TEST_POLICY,
} from './pkix-chain.ts'

import { building, type Fault } from './pkix-fault.ts'

const GENERALIZED_EARLY = derTlv(0x18, utf8('20260101000000Z'))
const utc = (digits: string): Uint8Array => derTlv(0x17, utf8(digits))

type Malform = (spec: ChainSpec, position: Position) => void
const part =
  (change: Partial<ChainSpec['links']['leaf']['parts']>): Malform =>
  (spec, position) => {
    Object.assign(spec.links[position].parts, change)
  }
const extension =
  (name: string, value: X509Extension | Uint8Array): Malform =>
  (spec, position) => {
    spec.links[position].extensions.set(name, value)
  }
const altNames = (...names: readonly Uint8Array[]): Malform =>
  extension('subjectAltNames', rawExtension('2.5.29.17', derSequence(...names)))
const ian = (value: Uint8Array): X509Extension => rawExtension('2.5.29.17', value)

const certificateOf = (oid: string): Uint8Array =>
  derSequence(derSequence(derOid(oid)), derBitString(new Uint8Array(32)))

/** Malformed encodings: the rule of the codec and what breaks it; the last says where it differs. */
const ENCODINGS: readonly (readonly [rule: string, malform: Malform, openssl?: string])[] = [
  ['version', part({ version: derTlv(0xa0, derInteger(1)) })],
  ['der-unexpected', part({ version: new Uint8Array() })],
  ['serial-negative', part({ serial: Uint8Array.of(2, 1, 0x85) }), 'takes negative serials'],
  ['serial-zero', part({ serial: Uint8Array.of(2, 1, 0) }), 'takes serial 0'],
  [
    'serial-size',
    part({ serial: derTlv(2, Buffer.alloc(21, 0x11)) }),
    'takes serials of any length',
  ],
  ['serial-padding', part({ serial: Uint8Array.of(2, 2, 0, 5) })],
  [
    'signature-algorithm-mismatch',
    part({ innerIdentifier: derSequence(derOid('1.2.840.10045.4.3.3')) }),
  ],
  [
    'der-trailing',
    part({ finish: (der) => Buffer.concat([der, Uint8Array.of(0)]) }),
    'ignores what follows in PEM',
  ],
  ['der-length', part({ finish: (der) => indefinite(der) }), 'reads the indefinite form'],
  ['der-time-form', part({ notBefore: GENERALIZED_EARLY }), 'takes both forms of time'],
  ['der-time', part({ notBefore: utc('2501010000Z') })],
  ['der-time', part({ notBefore: utc('250101000000+0000') })],
  ['der-time', part({ notBefore: utc('250230000000Z') })],
  ['validity', part({ notBefore: utc('300101000000Z'), notAfter: utc('290101000000Z') })],
  ['spki', part({ spki: certificateOf('1.2.3.4') })],
  ['curve', part({ spki: pkixKey('P-521').spki }), 'takes other named curves'],
  ['curve-parameters', part({ spki: pkixKey('P-256-explicit').spki })],
  ['rsa-exponent', part({ spki: pkixKey('RSA-exponent-3').spki }), 'takes exponent 3'],
  ['der-unexpected', part({ identifiers: derTlv(0x81, Uint8Array.of(0, 1)) }), 'takes unique ids'],
  ['extension-twice', extension('again', ian(derSequence(derTlv(0x82, utf8('a.example')))))],
  [
    'critical-default',
    extension(
      'extendedKeyUsage',
      derSequence(
        derOid('2.5.29.37'),
        Uint8Array.of(1, 1, 0),
        derOctetString(derSequence(derOid(KEY_PURPOSE.serverAuth))),
      ),
    ),
    'takes an encoded default',
  ],
  [
    'ca-default',
    extension(
      'basicConstraints',
      rawExtension('2.5.29.19', Buffer.from('3003010100', 'hex'), true),
    ),
    'takes an encoded default',
  ],
  [
    'path-length',
    extension(
      'basicConstraints',
      rawExtension('2.5.29.19', Buffer.from('3003020100', 'hex'), true),
    ),
  ],
  [
    'key-usage',
    extension('keyUsage', rawExtension('2.5.29.15', Buffer.from('030100', 'hex'), true)),
  ],
  [
    'der-bit-string',
    extension('keyUsage', rawExtension('2.5.29.15', Buffer.from('030207ff', 'hex'), true)),
    'takes unused bits that are set',
  ],
  ['key-usage-ca', extension('keyUsage', keyUsageExtension(['digitalSignature', 'keyCertSign']))],
  ['names-count', altNames()],
  ['names-dns', altNames(derTlv(0x82, utf8('a..b')))],
  ['names-uri', altNames(derTlv(0x86, utf8('no-scheme')))],
  ['names-email', altNames(derTlv(0x81, utf8('nobody')))],
  ['names-ip', altNames(derTlv(0x87, Uint8Array.of(1, 2, 3)))],
  ['names-kind', altNames(derTlv(0x89, Uint8Array.of(1)))],
  ['der-ia5', altNames(derTlv(0x82, Buffer.from('caf\u00e9.example', 'latin1')))],
  [
    'name-type',
    part({ subject: derSequence(nameStep('2.5.4.10', 'Example', 20)) }),
    'takes TeletexString',
  ],
  [
    'name-type',
    part({ subject: derSequence(nameStep('2.5.4.10', Buffer.from('\0E\0x', 'latin1'), 30)) }),
  ],
  ['name-type', part({ subject: derSequence(nameStep('2.5.4.6', 'DE', 12)) })],
  [
    'name-type',
    part({ subject: derSequence(nameStep('1.2.840.113549.1.9.1', 'a@example.com', 12)) }),
  ],
  ['name-value', part({ subject: derSequence(nameStep('2.5.4.10', 'Ex\u0000ample')) })],
  ['der-utf8', part({ subject: derSequence(nameStep('2.5.4.10', Uint8Array.of(0xc0, 0x80))) })],
  ['issuer', part({ issuer: derSequence() })],
  ['subject', part({ subject: derSequence() })],
  [
    'ca-only',
    extension('nameConstraints', nameConstraints([subtree(0x82, 'example.com')])),
    'ignores name constraints of a leaf',
  ],
  ['policy-twice', extension('certificatePolicies', policies([TEST_POLICY, TEST_POLICY]))],
  [
    'policy-qualifier',
    extension(
      'certificatePolicies',
      rawExtension(
        '2.5.29.32',
        derSequence(
          derSequence(
            derOid(TEST_POLICY),
            derSequence(derSequence(derOid('1.2.3'), Uint8Array.of(5, 0))),
          ),
        ),
        true,
      ),
    ),
    'ignores unknown qualifiers',
  ],
  [
    'key-id-critical',
    extension('subjectKeyId', rawExtension('2.5.29.14', derOctetString(Uint8Array.of(1)), true)),
  ],
  [
    'signature-algorithm',
    (spec, position) => {
      const sha1 = derSequence(derOid('1.2.840.10045.4.1'))
      const { key } = spec.links[position === 'leaf' ? 'second' : 'first']
      spec.links[position].signer = { ...key, identifier: sha1 }
    },
  ],
]

function indefinite(der: Uint8Array): Uint8Array {
  const content = der.subarray(4)
  return Buffer.concat([Uint8Array.of(0x30, 0x80), content, Uint8Array.of(0, 0)])
}

export const encodingFaults: readonly Fault[] = ENCODINGS.map(([rule, malform, openssl], i) => ({
  name: `leaf encoding ${i} ${rule}`,
  expected: `encoding ${rule} @0`,
  order: 0,
  touches: ['leaf.*'],
  apply: (spec) => malform(spec, 'leaf'),
  ...(openssl !== undefined && { openssl }),
}))

/** Encodings that are broken in a CA, behind its subject so that it is found by name. */
const CA_ENCODINGS: readonly (readonly [rule: string, malform: Malform, openssl?: string])[] = [
  ['serial-negative', part({ serial: Uint8Array.of(2, 1, 0x85) }), 'takes negative serials'],
  ['serial-size', part({ serial: derTlv(2, Buffer.alloc(21, 0x11)) }), 'takes long serials'],
  ['curve-parameters', part({ spki: pkixKey('P-256-explicit').spki })],
  ['curve', part({ spki: pkixKey('P-521').spki })],
  ['der-time-form', part({ notBefore: GENERALIZED_EARLY }), 'takes both forms of time'],
  [
    'ca-critical',
    extension(
      'basicConstraints',
      rawExtension('2.5.29.19', Buffer.from('30030101ff', 'hex'), false),
    ),
  ],
  [
    'subtree',
    extension(
      'nameConstraints',
      nameConstraints([
        derSequence(derTlv(0x82, utf8('example.com')), derTlv(0x80, Uint8Array.of(1))),
      ]),
    ),
  ],
  [
    'names-ip',
    extension(
      'nameConstraints',
      nameConstraints([subtree(0x87, Uint8Array.of(192, 0, 2, 0, 255, 0, 255, 0))]),
    ),
    'takes masks with holes',
  ],
  [
    'subtrees-count',
    extension('nameConstraints', nameConstraints([])),
    'takes an empty constraint',
  ],
  [
    'policy-constraints',
    extension('policyConstraints', policyConstraints()),
    'takes an empty constraint',
  ],
]

export const caEncodingFaults: readonly Fault[] = (['second', 'first', 'root'] as const).flatMap(
  (position) =>
    CA_ENCODINGS.map(([rule, malform, openssl]): Fault => ({
      name: `${position} encoding ${rule}`,
      expected: `encoding ${rule} @${DEPTH[position]}`,
      order: building(DEPTH[position] - 1, 1),
      touches: [`${position}.*`],
      apply: (spec) => malform(spec, position),
      ...(openssl !== undefined && { openssl }),
    })),
)
