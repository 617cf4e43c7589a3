/**
 * Every rule of a chain broken once, with the verdict that must follow and the place of its check
 * in the order of checks, so that the verdict on two broken rules is known as well.
 */
import { utf8 } from '../../src/foundation/base/index.ts'
import {
  basicConstraintsExtension,
  derInteger,
  derSequence,
  derTlv,
  extendedKeyUsageExtension,
  KEY_PURPOSE,
  keyUsageExtension,
  subjectAltNamesExtension,
  type X509Extension,
} from '../../src/foundation/codec/index.ts'
import type { PathInput } from '../../src/trust/pki/index.ts'
import { crlEntry, nameStep, pkixKey, pkixName, rawExtension } from './pkix.ts'
import {
  type ChainSpec,
  DEPTH,
  inhibitAnyPolicy,
  nameConstraints,
  policies,
  policyConstraints,
  policyMappings,
  subtree,
  TEST_POLICY,
} from './pkix-chain.ts'

import { building, type Fault, processing } from './pkix-fault.ts'
import { caEncodingFaults, encodingFaults } from './pkix-faults-encoding.ts'

type CaPosition = 'second' | 'first' | 'root'
type Issued = 'leaf' | 'second' | 'first'

const utc = (digits: string): Uint8Array => derTlv(0x17, utf8(digits))
const PAST = utc('250601000000Z')
const FUTURE = utc('480601000000Z')

// ---- building ----

const limits =
  (change: PathInput['limits'] & object): Fault['apply'] =>
  (spec) => {
    spec.input.limits = { ...spec.input.limits, ...change }
  }

const buildingFaults: readonly Fault[] = [
  ...(['leaf', 'second', 'first'] as const).flatMap((position): readonly Fault[] => [
    {
      name: `${position} signed by another key`,
      expected: `signature @${DEPTH[position]}`,
      order: building(DEPTH[position], 3),
      touches: [`${position}.signer`],
      apply: (spec) => (spec.links[position].signer = pkixKey('P-256', 'other')),
    },
    {
      name: `${position} names another key of its issuer`,
      expected: `no-issuer @${DEPTH[position]}`,
      order: building(DEPTH[position], 2),
      touches: [`${position}.authorityKeyId`],
      apply: (spec) =>
        spec.links[position].extensions.set(
          'authorityKeyId',
          rawExtension('2.5.29.35', Buffer.from('3003800101', 'hex')),
        ),
    },
    {
      name: `${position} names another issuer`,
      expected: `no-issuer @${DEPTH[position]}`,
      order: building(DEPTH[position], 0),
      touches: [`${position}.issuer`, `crl.${position}`],
      apply: (spec) => (spec.links[position].parts.issuer = pkixName('Test', 'Nobody')),
    },
  ]),
  ...(['second', 'first', 'root'] as const).map((position): Fault => ({
    name: `${position} has a short RSA key`,
    expected: `key-size 1024 @${DEPTH[position]}`,
    order: building(DEPTH[position] - 1, 1),
    touches: [`${position}.*`],
    apply: (spec) => (spec.links[position].parts.spki = pkixKey('RSA-1024').spki),
  })),
  {
    name: 'leaf has a short RSA key',
    expected: 'key-size 1024 @0',
    order: 1,
    touches: ['leaf.*'],
    apply: (spec) => (spec.links.leaf.parts.spki = pkixKey('RSA-1024').spki),
    openssl: 'takes 1024 bits at its default level',
  },
  {
    name: 'leaf has a point off its curve',
    expected: 'encoding spki @0',
    order: 2,
    touches: ['leaf.*'],
    apply: (spec) => {
      const spki = Buffer.from(spec.links.leaf.parts.spki)
      spki.fill(0x11, spki.length - 32)
      spec.links.leaf.parts.spki = spki
    },
  },
  {
    name: 'more certificates than the depth allows',
    expected: 'depth @2',
    order: building(1, 2.5),
    touches: ['limits'],
    apply: limits({ maxDepth: 1 }),
  },
  {
    name: 'more signatures than the limit',
    expected: 'work-limit signatures @2',
    order: building(2, 2.8),
    touches: ['limits'],
    apply: limits({ maxSignatureChecks: 2 }),
    openssl: 'counts nothing',
  },
  {
    name: 'more issuers than the limit',
    expected: 'work-limit steps @2',
    order: building(2, 0.5),
    touches: ['limits'],
    apply: limits({ maxSteps: 2 }),
    openssl: 'counts nothing',
  },
]

// ---- processing ----

const CHECK = {
  validity: 1,
  crl: 20,
  names: 30,
  policy: 40,
  mapping: 50,
  ca: 51,
  pathLength: 52,
  keyUsage: 53,
  critical: 54,
  purpose: 55,
  userPolicy: 60,
  target: 61,
} as const

const UNKNOWN = rawExtension('1.3.6.1.4.1.99999.7', Uint8Array.of(5, 0), true)

const everywhere: readonly Fault[] = (['leaf', 'second', 'first', 'root'] as const).flatMap(
  (position): readonly Fault[] => {
    const depth = DEPTH[position]
    return [
      {
        name: `${position} has expired`,
        expected: `expired @${depth}`,
        order: processing(depth, CHECK.validity),
        touches: [`${position}.validity`],
        apply: (spec) => (spec.links[position].parts.notAfter = PAST),
      },
      {
        name: `${position} is not yet valid`,
        expected: `not-yet-valid @${depth}`,
        order: processing(depth, CHECK.validity),
        touches: [`${position}.validity`],
        apply: (spec) => (spec.links[position].parts.notBefore = FUTURE),
      },
      {
        name: `${position} has an unknown critical extension`,
        expected: `critical-extension 1.3.6.1.4.1.99999.7 @${depth}`,
        order: processing(depth, position === 'leaf' ? CHECK.target : CHECK.critical),
        touches: [`${position}.unknown`],
        apply: (spec) => spec.links[position].extensions.set('unknown', UNKNOWN),
      },
    ]
  },
)

function caFaults(position: CaPosition): readonly Fault[] {
  const depth = DEPTH[position]
  const at = (check: number): number => processing(depth, check)
  return [
    {
      name: `${position} is no CA`,
      expected: `ca @${depth}`,
      order: at(CHECK.ca),
      touches: [
        `${position}.basicConstraints`,
        `${position}.keyUsage`,
        `${position}.nameConstraints`,
        `${position}.policyExtensions`,
      ],
      apply: ({ links }) => {
        const { extensions } = links[position]
        extensions.set('basicConstraints', basicConstraintsExtension({ ca: false }))
        extensions.set('keyUsage', keyUsageExtension(['digitalSignature', 'cRLSign']))
        extensions.delete('nameConstraints')
      },
    },
    {
      name: `${position} must not sign certificates`,
      expected: `key-usage keyCertSign @${depth}`,
      order: at(CHECK.keyUsage),
      touches: [`${position}.keyUsage`, `${position}.pathLength`],
      apply: ({ links }) => {
        const { extensions } = links[position]
        extensions.set('keyUsage', keyUsageExtension(['digitalSignature', 'cRLSign']))
      },
    },
    {
      name: `${position} is for clients only`,
      expected: `purpose ${KEY_PURPOSE.serverAuth} @${depth}`,
      order: at(CHECK.purpose),
      touches: [`${position}.extendedKeyUsage`],
      apply: ({ links }) =>
        links[position].extensions.set(
          'extendedKeyUsage',
          extendedKeyUsageExtension([KEY_PURPOSE.clientAuth]),
        ),
    },
  ]
}

const shortPath = (position: 'first' | 'root'): Fault => ({
  name: `${position} permits fewer CAs below`,
  expected: 'path-length @1',
  order: processing(1, CHECK.pathLength),
  touches: [
    'pathLength',
    `${position}.basicConstraints`,
    'second.keyUsage',
    'second.basicConstraints',
  ],
  apply: ({ links }) =>
    links[position].extensions.set(
      'basicConstraints',
      basicConstraintsExtension({ ca: true, pathLength: position === 'root' ? 1 : 0 }),
    ),
})

/** A list of an issuer: what is wrong with it, and its place among the checks of lists. */
const CRL_FAULTS: readonly (readonly [
  expected: string,
  place: number,
  apply: (crl: ChainSpec['crls']['leaf'], spec: ChainSpec, position: Issued) => void,
  openssl?: string,
])[] = [
  ['crl-missing', 0, (crl) => (crl.parts.issuer = pkixName('Test', 'Nobody'))],
  [
    'crl-kind delta',
    1,
    (crl) => crl.extensions.set('x', rawExtension('2.5.29.27', derInteger(1), true)),
    'takes a delta list for a complete one',
  ],
  [
    'crl-kind distribution-point',
    1,
    (crl) =>
      crl.extensions.set(
        'x',
        rawExtension('2.5.29.28', derSequence(derTlv(0x84, Uint8Array.of(0xff))), true),
      ),
  ],
  ['crl-critical-extension 1.3.6.1.4.1.99999.7', 1, (crl) => crl.extensions.set('x', UNKNOWN)],
  ['crl-signature', 3, (crl) => (crl.key = pkixKey('P-256', 'other'))],
  [
    'crl-not-yet-valid',
    4,
    (crl) => {
      crl.parts.thisUpdate = FUTURE
    },
  ],
  ['crl-expired', 4, (crl) => (crl.parts.nextUpdate = PAST)],
  [
    'revoked unspecified',
    5,
    (crl, spec, position) => {
      crl.parts.entries = [crlEntry(serialOf(spec, position))]
    },
  ],
  [
    'revoked keyCompromise',
    5,
    (crl, spec, position) => {
      const reason = rawExtension('2.5.29.21', Uint8Array.of(10, 1, 1))
      crl.parts.entries = [crlEntry(serialOf(spec, position), reason)]
    },
  ],
  [
    'crl-kind indirect',
    1,
    (crl) => {
      const names = derSequence(derTlv(0xa4, pkixName('Test', 'Other')))
      const entry = crlEntry(derInteger(77), rawExtension('2.5.29.29', names, true))
      crl.parts.entries = [entry]
    },
    'passes over entries of other issuers',
  ],
]

const serialOf = (spec: ChainSpec, position: Issued): Uint8Array =>
  spec.links[position].parts.serial ?? new Uint8Array()

const crlFaults: readonly Fault[] = (['leaf', 'second', 'first'] as const).flatMap((position) =>
  CRL_FAULTS.map(([expected, place, apply, openssl]): Fault => ({
    name: `list of the issuer of ${position}: ${expected}`,
    expected: `${expected} @${DEPTH[position]}`,
    order: processing(DEPTH[position], CHECK.crl + place),
    touches: [`crl.${position}`],
    apply: (spec) => apply(spec.crls[position], spec, position),
    ...(openssl !== undefined && { openssl }),
  })),
)

const CRL_ENCODINGS: readonly (readonly [
  rule: string,
  apply: (crl: ChainSpec['crls']['leaf']) => void,
  openssl?: string,
])[] = [
  [
    'der-trailing',
    (crl) => (crl.parts.finish = (der) => Buffer.concat([der, Uint8Array.of(0)])),
    'ignores what follows in PEM',
  ],
  ['crl-number', (crl) => crl.extensions.delete('crlNumber'), 'takes lists without number'],
  ['crl-key-id', (crl) => crl.extensions.delete('authorityKeyId'), 'takes lists without key id'],
  [
    'crl-reason',
    (crl) => {
      crl.parts.entries = [
        crlEntry(derInteger(9), rawExtension('2.5.29.21', Uint8Array.of(10, 1, 8))),
      ]
    },
    'takes removeFromCRL in a complete list',
  ],
  [
    'serial-twice',
    (crl) => {
      crl.parts.entries = [crlEntry(derInteger(9)), crlEntry(derInteger(9))]
    },
    'takes an entry twice',
  ],
  ['version', (crl) => (crl.parts.version = derInteger(0)), 'takes version 1'],
]

const crlEncodingFaults: readonly Fault[] = CRL_ENCODINGS.map(([rule, apply, openssl]) => ({
  name: `list of the issuer of leaf: encoding ${rule}`,
  expected: `crl-encoding ${rule} @0`,
  order: processing(0, CHECK.crl),
  touches: ['crl.leaf', 'crl.second', 'crl.first'],
  apply: (spec) => apply(spec.crls.leaf),
  ...(openssl !== undefined && { openssl }),
}))

const crlKeyUsage: readonly Fault[] = (['second', 'first'] as const).map((position) => ({
  name: `${position} must not sign lists`,
  expected: `crl-key-usage @${DEPTH[position] - 1}`,
  order: processing(DEPTH[position] - 1, CHECK.crl + 2),
  touches: [`${position}.keyUsage`, `crl.${position === 'second' ? 'leaf' : 'second'}`],
  apply: ({ links }) =>
    links[position].extensions.set('keyUsage', keyUsageExtension(['keyCertSign'])),
}))

const SAN = 'leaf.subjectAltNames'
const san = (names: Parameters<typeof subjectAltNamesExtension>[0]): X509Extension =>
  subjectAltNamesExtension({
    uris: ['spiffe://example.com/device/1'],
    dnsNames: ['leaf.example.com'],
    ipAddresses: ['192.0.2.7'],
    ...names,
  })

/** Names that break a constraint of the first CA, in the order in which forms are compared. */
const NAME_FAULTS: readonly (readonly [
  expected: string,
  place: number,
  names: Parameters<typeof san>[0],
  openssl?: string,
])[] = [
  ['name-not-permitted dnsNames', 0, { dnsNames: ['leaf.example.com', 'example.org'] }],
  ['name-not-permitted dnsNames', 0, { dnsNames: ['leaf.example.com', 'badexample.com'] }],
  [
    'name-not-permitted uris',
    1,
    { uris: ['spiffe://example.com/device/1', 'spiffe://example.org/x'] },
  ],
  [
    'name-not-permitted uris',
    1,
    { uris: ['spiffe://example.com/device/1', 'https://sub.example.com/'] },
  ],
  ['name-form uri-host', 1, { uris: ['spiffe://example.com/device/1', 'urn:uuid:1'] }],
  ['name-form uri-host', 1, { uris: ['spiffe://example.com/device/1', 'https://192.0.2.1/'] }],
  ['name-not-permitted ipAddresses', 3, { ipAddresses: ['192.0.2.7', '192.0.3.7'] }],
  ['name-not-permitted ipAddresses', 3, { ipAddresses: ['192.0.2.7', '::ffff:192.0.2.7'] }],
  ['name-excluded dnsNames', 6, { dnsNames: ['leaf.example.com', 'evil.example.com'] }],
  ['name-excluded dnsNames', 6, { dnsNames: ['leaf.example.com', 'a.b.EVIL.example.com'] }],
  [
    'name-excluded dnsNames',
    6,
    { dnsNames: ['leaf.example.com', '*.example.com'] },
    'takes a wildcard over an excluded name',
  ],
]

const nameFaults: readonly Fault[] = [
  ...NAME_FAULTS.map(([expected, place, names, openssl], i): Fault => ({
    name: `leaf name ${i}: ${expected}`,
    expected: `${expected} @0`,
    order: processing(0, CHECK.names + place),
    touches: [SAN, 'first.nameConstraints'],
    apply: ({ links }) => links.leaf.extensions.set('subjectAltNames', san(names)),
    ...(openssl !== undefined && { openssl }),
  })),
  {
    name: 'leaf subject outside the permitted directory',
    expected: 'name-not-permitted directoryNames @0',
    order: processing(0, CHECK.names + 4),
    touches: ['leaf.subject', 'first.nameConstraints'],
    apply: ({ links }) => (links.leaf.parts.subject = pkixName('Evil', 'leaf')),
  },
  {
    name: 'second excludes the subject of the leaf',
    expected: 'name-excluded directoryNames @0',
    order: processing(0, CHECK.names + 8),
    touches: ['second.nameConstraints', 'leaf.subject'],
    apply: ({ links }) => {
      const base = derSequence(nameStep('2.5.4.10', 'EXAMPLE'), nameStep('2.5.4.3', 'Leaf'))
      links.second.extensions.set('nameConstraints', nameConstraints([], [subtree(0xa4, base)]))
    },
  },
  {
    name: 'a constraint on a form that is not processed',
    expected: 'name-form other @0',
    order: processing(0, CHECK.names + 7),
    touches: ['second.nameConstraints', SAN],
    apply: ({ links }) => {
      const registered = derTlv(0x88, Uint8Array.of(42, 3))
      links.second.extensions.set('nameConstraints', nameConstraints([derSequence(registered)]))
      const names = san({})
      const value = derSequence(names.value.subarray(2), registered)
      links.leaf.extensions.set('subjectAltNames', { ...names, value })
    },
  },
  {
    name: 'second names outside the permitted directory',
    expected: 'name-not-permitted directoryNames @1',
    order: processing(1, CHECK.names),
    touches: ['root.nameConstraints'],
    apply: ({ links }) => {
      const base = derSequence(nameStep('2.5.4.10', 'Example'), nameStep('2.5.4.3', 'First'))
      links.root.extensions.set('nameConstraints', nameConstraints([subtree(0xa4, base)]))
    },
  },
]

const policyFaults: readonly Fault[] = [
  {
    name: 'leaf without the explicit policy',
    expected: 'policy explicit @0',
    order: processing(0, CHECK.policy),
    touches: ['second.policyExtensions', 'leaf.certificatePolicies', 'input.policies'],
    apply: ({ links }) => {
      links.second.extensions.set('policyConstraints', policyConstraints(0))
      links.leaf.extensions.set('certificatePolicies', policies(['1.2.3.4']))
    },
  },
  {
    name: 'second without policies where the caller requires one',
    expected: 'policy explicit @1',
    order: processing(1, CHECK.policy),
    touches: ['second.certificatePolicies', 'input.policies'],
    apply: (spec) => {
      spec.input.policies = { requireExplicitPolicy: true }
      spec.links.second.extensions.delete('certificatePolicies')
    },
  },
  {
    name: 'a policy the caller does not accept',
    expected: 'policy user @0',
    order: processing(0, CHECK.userPolicy),
    touches: ['input.policies', 'leaf.certificatePolicies', 'second.certificatePolicies'],
    apply: (spec) => {
      spec.input.policies = { requireExplicitPolicy: true, initialPolicies: ['1.2.3.4'] }
    },
  },
  {
    name: 'any-policy where it is inhibited',
    expected: 'policy explicit @0',
    order: processing(0, CHECK.policy),
    touches: ['first.policyExtensions', 'leaf.certificatePolicies', 'input.policies'],
    apply: (spec) => {
      spec.input.policies = { requireExplicitPolicy: true }
      spec.links.first.extensions.set('inhibitAnyPolicy', inhibitAnyPolicy(0))
      spec.links.leaf.extensions.set('certificatePolicies', policies(['2.5.29.32.0']))
    },
  },
  {
    name: 'a mapping from any-policy',
    expected: 'policy-mapping @1',
    order: processing(1, CHECK.mapping),
    touches: ['second.policyExtensions'],
    apply: ({ links }) =>
      links.second.extensions.set('policyMappings', policyMappings([['2.5.29.32.0', '1.2.3']])),
  },
  {
    name: 'a mapping where it is inhibited',
    expected: 'policy explicit @0',
    order: processing(0, CHECK.policy),
    touches: [
      'first.policyExtensions',
      'second.policyExtensions',
      'leaf.certificatePolicies',
      'input.policies',
    ],
    apply: (spec) => {
      spec.input.policies = { requireExplicitPolicy: true }
      spec.links.first.extensions.set('policyConstraints', policyConstraints(undefined, 0))
      spec.links.second.extensions.set('policyMappings', policyMappings([[TEST_POLICY, '1.2.3']]))
      spec.links.leaf.extensions.set('certificatePolicies', policies(['1.2.3']))
    },
  },
]

const targetFaults: readonly Fault[] = [
  {
    name: 'leaf is a CA',
    expected: 'target-ca @0',
    order: processing(0, CHECK.target + 1),
    touches: ['leaf.basicConstraints'],
    apply: ({ links }) =>
      links.leaf.extensions.set('basicConstraints', basicConstraintsExtension({ ca: true })),
    openssl: 'takes a CA as a server, or reports what it lacks as a CA',
  },
  {
    name: 'leaf must not sign',
    expected: 'key-usage digitalSignature @0',
    order: processing(0, CHECK.target + 2),
    touches: ['leaf.keyUsage'],
    apply: ({ links }) =>
      links.leaf.extensions.set('keyUsage', keyUsageExtension(['dataEncipherment'])),
  },
  {
    name: 'leaf is for another purpose',
    expected: `purpose ${KEY_PURPOSE.serverAuth} @0`,
    order: processing(0, CHECK.target + 3),
    touches: ['leaf.extendedKeyUsage'],
    apply: ({ links }) =>
      links.leaf.extensions.set(
        'extendedKeyUsage',
        extendedKeyUsageExtension(['1.3.6.1.5.5.7.3.3']),
      ),
  },
  {
    name: 'leaf is for any purpose only',
    expected: `purpose ${KEY_PURPOSE.serverAuth} @0`,
    order: processing(0, CHECK.target + 3),
    touches: ['leaf.extendedKeyUsage'],
    apply: ({ links }) =>
      links.leaf.extensions.set('extendedKeyUsage', extendedKeyUsageExtension(['2.5.29.37.0'])),
  },
  {
    name: 'another URI is expected',
    expected: 'name-uri @0',
    order: processing(0, CHECK.target + 4),
    touches: ['expected.uri'],
    apply: (spec) => (spec.input.names = { ...spec.input.names, uri: 'spiffe://example.com/x' }),
    openssl: 'has no expected URI',
  },
  {
    name: 'another host is expected',
    expected: 'name-dns @0',
    order: processing(0, CHECK.target + 5),
    touches: ['expected.dns'],
    apply: (spec) => (spec.input.names = { ...spec.input.names, dns: 'other.example.com' }),
  },
  {
    name: 'another address is expected',
    expected: 'name-ip @0',
    order: processing(0, CHECK.target + 6),
    touches: ['expected.ip'],
    apply: (spec) => (spec.input.names = { ...spec.input.names, ip: '192.0.2.8' }),
  },
]

/** All faults. */
export const FAULTS: readonly Fault[] = [
  ...encodingFaults,
  ...caEncodingFaults,
  ...buildingFaults,
  ...everywhere,
  ...caFaults('second'),
  ...caFaults('first'),
  ...caFaults('root'),
  shortPath('first'),
  shortPath('root'),
  ...crlFaults,
  ...crlEncodingFaults,
  ...crlKeyUsage,
  ...nameFaults,
  ...policyFaults,
  ...targetFaults,
]
