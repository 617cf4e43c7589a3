/**
 * A CA that may issue for example.com only, and never for secret.example.com, tries every way of
 * writing a name that others have let through.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../src/foundation/base/index.ts'
import { derOid, derSequence, derTlv } from '../../src/foundation/codec/index.ts'
import { nameStep, rawExtension } from '../kit/pkix.ts'
import { nameConstraints, subtree, validateChain, validChain, verdict } from '../kit/pkix-chain.ts'

const DNS = 0x82
const URI = 0x86
const constraints = nameConstraints(
  [
    subtree(DNS, 'example.com'),
    subtree(URI, '.example.com'),
    subtree(0x81, 'example.com'),
    subtree(0x87, Uint8Array.of(192, 0, 2, 0, 255, 255, 255, 0)),
  ],
  [
    subtree(DNS, 'secret.example.com'),
    subtree(0xa0, Buffer.concat([derOid('1.2.3'), derTlv(0xa0, utf8('x'))])),
  ],
)

const ATTEMPTS: readonly (readonly [how: string, name: Uint8Array, expected: string])[] = [
  [
    'a suffix without a dot',
    derTlv(DNS, utf8('evilexample.com')),
    'name-not-permitted dnsNames @0',
  ],
  ['capitals', derTlv(DNS, utf8('SECRET.example.COM')), 'name-excluded dnsNames @0'],
  ['a wildcard over it', derTlv(DNS, utf8('*.example.com')), 'name-excluded dnsNames @0'],
  ['a wildcard below it', derTlv(DNS, utf8('*.secret.example.com')), 'name-excluded dnsNames @0'],
  ['a trailing dot', derTlv(DNS, utf8('secret.example.com.')), 'encoding names-dns @0'],
  ['a NUL', derTlv(DNS, utf8('evil.org\0.example.com')), 'encoding der-ia5 @0'],
  ['an empty host name', derTlv(DNS, utf8('')), 'encoding names-dns @0'],
  [
    'user and password',
    derTlv(URI, utf8('https://a.example.com:x@evil.org/')),
    'name-not-permitted uris @0',
  ],
  ['a backslash', derTlv(URI, utf8('https://evil.org\\.example.com/')), 'name-form uri-host @0'],
  [
    'an escaped host',
    derTlv(URI, utf8('https://evil.org%2f.example.com/')),
    'name-form uri-host @0',
  ],
  ['a URI of an address', derTlv(URI, utf8('https://192.0.2.1/')), 'name-form uri-host @0'],
  ['an address in hexadecimal', derTlv(URI, utf8('https://0xc0000201/')), 'name-form uri-host @0'],
  ['an IPv6 literal', derTlv(URI, utf8('https://[2001:db8::1]/')), 'name-form uri-host @0'],
  ['no host at all', derTlv(URI, utf8('mailto:a@a.example.com')), 'name-form uri-host @0'],
  ['the host itself', derTlv(URI, utf8('https://example.com/')), 'name-not-permitted uris @0'],
  [
    'a mapped address',
    derTlv(0x87, Buffer.from('00000000000000000000ffffc0000201', 'hex')),
    'name-not-permitted ipAddresses @0',
  ],
  ['a quoted mailbox', derTlv(0x81, utf8('"a@example.com"@evil.org')), 'encoding names-email @0'],
  [
    'a form with no known order',
    derTlv(0xa0, Buffer.concat([derOid('1.2.3'), derTlv(0xa0, utf8('y'))])),
    'name-form other @0',
  ],
]

for (const [how, name, expected] of ATTEMPTS) {
  test(`${how}: ${expected}`, () => {
    const spec = validChain()
    spec.input.names = {}
    spec.links.first.extensions.set('nameConstraints', constraints)
    spec.links.leaf.extensions.set('subjectAltNames', rawExtension('2.5.29.17', derSequence(name)))
    assert.equal(verdict(validateChain(spec)), expected)
  })
}

test('a mail address in the subject', () => {
  const spec = validChain()
  spec.input.names = {}
  spec.links.first.extensions.set('nameConstraints', constraints)
  spec.links.leaf.extensions.delete('subjectAltNames')
  const address = nameStep('1.2.840.113549.1.9.1', 'a@evil.org', 22)
  spec.links.leaf.parts.subject = derSequence(address)
  assert.equal(verdict(validateChain(spec)), 'name-not-permitted emailAddresses @0')
})

test('a host name in the common name names no host', () => {
  const spec = validChain()
  spec.input.names = { dns: 'evil.org' }
  spec.links.first.extensions.set('nameConstraints', constraints)
  spec.links.leaf.extensions.delete('subjectAltNames')
  spec.links.leaf.parts.subject = derSequence(nameStep('2.5.4.3', 'evil.org'))
  assert.equal(verdict(validateChain(spec)), 'name-dns @0')
})

test('a self-issued target is not free of constraints', () => {
  const spec = validChain()
  spec.input.names = {}
  spec.links.first.extensions.set('nameConstraints', constraints)
  const { leaf, second } = spec.links
  leaf.parts.subject = second.parts.subject
  leaf.extensions.set(
    'subjectAltNames',
    rawExtension('2.5.29.17', derSequence(derTlv(DNS, utf8('evil.org')))),
  )
  assert.equal(verdict(validateChain(spec)), 'name-not-permitted dnsNames @0')
})
