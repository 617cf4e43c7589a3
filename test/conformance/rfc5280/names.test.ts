/** Name constraints by form, and the names that a caller expects. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8 } from '../../../src/foundation/base/index.ts'
import {
  derSequence,
  derTlv,
  subjectAltNamesExtension,
} from '../../../src/foundation/codec/index.ts'
import { type ExpectedNames } from '../../../src/trust/pki/index.ts'
import { nameStep, rawExtension } from '../../kit/pkix.ts'
import {
  nameConstraints,
  subtree,
  validateChain,
  validChain,
  verdict,
} from '../../kit/pkix-chain.ts'

const FORM = { email: 0x81, dns: 0x82, directory: 0xa4, uri: 0x86, ip: 0x87 } as const
type Form = keyof typeof FORM

const encodeName = (form: Form, name: string): Uint8Array => {
  if (form === 'ip') return Uint8Array.from(name.split('.'), Number)
  if (form !== 'directory') return utf8(name)
  return derSequence(...name.split('/').map((value) => nameStep('2.5.4.10', value)))
}

/** Whether a name passes one subtree, as permitted and as excluded. */
function passes(
  form: Form,
  name: string,
  base: string,
): readonly [permitted: boolean, excluded: boolean] {
  const verdicts = [true, false].map((isPermitted) => {
    const spec = validChain()
    spec.input.names = {}
    const { first, leaf } = spec.links
    const subtrees = [subtree(FORM[form], encodeName(form, base))]
    first.extensions.set(
      'nameConstraints',
      isPermitted ? nameConstraints(subtrees) : nameConstraints([], subtrees),
    )
    const value = derSequence(derTlv(FORM[form], encodeName(form, name)))
    leaf.extensions.set('subjectAltNames', rawExtension('2.5.29.17', value))
    if (form === 'directory') {
      leaf.parts.subject = derSequence()
      leaf.extensions.set('subjectAltNames', rawExtension('2.5.29.17', value, true))
      // The second CA's own name is not what this is about: it is issued under its issuer's name.
      spec.links.second.parts.subject = spec.links.first.parts.subject
      leaf.parts.issuer = spec.links.first.parts.subject
      spec.input.revocation = 'none'
    }
    const got = verdict(validateChain(spec))
    const no = isPermitted ? 'name-not-permitted' : 'name-excluded'
    assert.ok(got === 'accepted' || got.startsWith(no), `${form} ${name} ${base}: ${got}`)
    return got === 'accepted'
  })
  return [verdicts[0] ?? false, verdicts[1] ?? false]
}

const WITHIN: readonly (readonly [form: Form, name: string, base: string])[] = [
  ['dns', 'example.com', 'example.com'],
  ['dns', 'a.example.com', 'example.com'],
  ['dns', 'A.Example.COM', 'eXample.com'],
  ['dns', '*.example.com', 'example.com'],
  ['dns', 'a.example.com', '.example.com'],
  ['dns', 'anything.at.all', ''],
  ['uri', 'https://example.com/path', 'example.com'],
  ['uri', 'https://user:pass@EXAMPLE.com:8443/?q#f', 'example.com'],
  ['uri', 'https://a.b.example.com', '.example.com'],
  ['email', 'ada@example.com', 'ada@EXAMPLE.com'],
  ['email', 'ada@example.com', 'example.com'],
  ['email', 'ada@a.example.com', '.example.com'],
  ['ip', '10.1.2.3', '10.0.0.0.255.0.0.0'],
  ['ip', '10.1.2.3', '10.1.2.3.255.255.255.255'],
  ['ip', '10.1.2.3', '0.0.0.0.0.0.0.0'],
  ['directory', 'Acme/Plant 1', 'Acme'],
  ['directory', 'ACME', 'acme'],
  ['directory', 'Acme', 'Acme'],
]

const OUTSIDE: typeof WITHIN = [
  ['dns', 'badexample.com', 'example.com'],
  ['dns', 'com', 'example.com'],
  ['dns', 'example.com', '.example.com'],
  ['dns', 'example.com.evil.org', 'example.com'],
  ['uri', 'https://a.example.com', 'example.com'],
  ['uri', 'https://example.com', '.example.com'],
  ['uri', 'https://evil.org/example.com', 'example.com'],
  ['uri', 'https://example.com:pw@evil.org/', 'example.com'],
  ['email', 'Ada@example.com', 'ada@example.com'],
  ['email', 'ada@a.example.com', 'example.com'],
  ['email', 'ada@example.com', '.example.com'],
  ['ip', '11.1.2.3', '10.0.0.0.255.0.0.0'],
  ['directory', 'Acme Evil', 'Acme'],
  ['directory', 'Plant 1/Acme', 'Acme'],
  ['directory', 'Acme', 'Acme/Plant 1'],
]

describe('name constraints', () => {
  for (const [form, name, base] of WITHIN) {
    it(`${form} ${name} lies within "${base}"`, () => {
      assert.deepEqual(passes(form, name, base), [true, false])
    })
  }
  for (const [form, name, base] of OUTSIDE) {
    it(`${form} ${name} lies outside "${base}"`, () => {
      assert.deepEqual(passes(form, name, base), [false, true])
    })
  }

  it('a wildcard touches an excluded name that it stands for, and no deeper one', () => {
    assert.deepEqual(passes('dns', '*.example.com', 'a.example.com'), [false, false])
    assert.deepEqual(passes('dns', '*.example.com', 'b.a.example.com'), [false, true])
    assert.deepEqual(passes('dns', '*.example.com', '.a.example.com'), [false, true])
  })

  it('IPv4 constraints permit no IPv6 address', () => {
    const spec = validChain()
    const names = { uris: ['spiffe://example.com/device/1'], dnsNames: ['leaf.example.com'] }
    const extension = subjectAltNamesExtension({ ...names, ipAddresses: ['2001:db8::1'] })
    spec.links.leaf.extensions.set('subjectAltNames', extension)
    assert.equal(verdict(validateChain(spec)), 'name-not-permitted ipAddresses @0')
  })

  it('mail addresses of the subject count', () => {
    const spec = validChain()
    const address = nameStep('1.2.840.113549.1.9.1', 'ada@evil.org', 22)
    spec.links.leaf.parts.subject = derSequence(nameStep('2.5.4.10', 'Example'), address)
    assert.equal(verdict(validateChain(spec)), 'accepted')
    const constraints = nameConstraints([subtree(FORM.email, 'example.com')])
    spec.links.second.extensions.set('nameConstraints', constraints)
    assert.equal(verdict(validateChain(spec)), 'name-not-permitted emailAddresses @0')
  })

  it('constraints of several CAs hold together', () => {
    const spec = validChain()
    const narrower = nameConstraints([subtree(FORM.dns, 'other.example.com')])
    spec.links.second.extensions.set('nameConstraints', narrower)
    assert.equal(verdict(validateChain(spec)), 'name-not-permitted dnsNames @0')
  })
})

describe('expected names', () => {
  const names = {
    uris: ['spiffe://example.com/device/1'],
    dnsNames: ['leaf.example.com', '*.pool.example.com'],
    ipAddresses: ['192.0.2.7'],
  }
  const check = (expected: ExpectedNames, without: boolean = false): string => {
    const spec = validChain()
    spec.input.names = expected
    if (without) spec.links.leaf.extensions.delete('subjectAltNames')
    else spec.links.leaf.extensions.set('subjectAltNames', subjectAltNamesExtension(names))
    return verdict(validateChain(spec))
  }

  const cases: readonly (readonly [expected: ExpectedNames, verdict: string])[] = [
    [{}, 'accepted'],
    [{ dns: 'LEAF.example.com' }, 'accepted'],
    [{ dns: 'a.pool.example.com' }, 'accepted'],
    [{ dns: 'a.b.pool.example.com' }, 'name-dns @0'],
    [{ dns: 'pool.example.com' }, 'name-dns @0'],
    [{ dns: '.pool.example.com' }, 'name-dns @0'],
    [{ dns: '' }, 'name-dns @0'],
    [{ ip: '192.0.2.7' }, 'accepted'],
    [{ ip: '192.0.2.07' }, 'name-ip @0'],
    [{ ip: '::ffff:192.0.2.7' }, 'name-ip @0'],
    [{ uri: 'spiffe://example.com/device/1' }, 'accepted'],
    [{ uri: 'spiffe://EXAMPLE.com/device/1' }, 'name-uri @0'],
  ]
  for (const [expected, wanted] of cases) {
    it(`${JSON.stringify(expected)}: ${wanted}`, () => assert.equal(check(expected), wanted))
  }

  it('the common name is never a host name', () => {
    assert.equal(check({ dns: 'leaf' }, true), 'name-dns @0')
    assert.equal(check({ uri: 'leaf' }, true), 'name-uri @0')
    assert.equal(check({ ip: '192.0.2.7' }, true), 'name-ip @0')
    assert.equal(check({}, true), 'accepted')
  })
})
