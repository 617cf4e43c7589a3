import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  parseDeviceId,
  parsePrincipal,
  parseTrustDomain,
  PRINCIPAL_KINDS,
  principalOf,
} from '../../../../src/foundation/base/index.ts'

const DEVICE = 'kdev-abcdefghijklmnopqrstuvwxyz'
const domain = parseTrustDomain('kos.internal')
assert.ok(domain)

describe('trust domains', () => {
  for (const name of ['a', 'kos.internal', 'a-b_c.9', 'a'.repeat(255)]) {
    test(`${name.slice(0, 20)} is one`, () => assert.equal(parseTrustDomain(name), name))
  }
  const refused = [
    '',
    '.',
    '-a',
    'a-',
    'a.',
    'KOS',
    'a b',
    'a/b',
    'a:1',
    'a\n',
    'ä',
    'a'.repeat(256),
  ]
  for (const name of refused) {
    test(`${JSON.stringify(name.slice(0, 20))} is none`, () =>
      assert.equal(parseTrustDomain(name), undefined))
  }
})

describe('device ids', () => {
  test('are kdev- and 26 base32 characters', () => assert.equal(parseDeviceId(DEVICE), DEVICE))
  for (const id of [
    '',
    'kdev-',
    DEVICE.slice(0, -1),
    `${DEVICE}a`,
    DEVICE.toUpperCase(),
    `${DEVICE}\n`,
    DEVICE.replace('a', '1'),
  ]) {
    test(`${JSON.stringify(id)} is none`, () => assert.equal(parseDeviceId(id), undefined))
  }
})

describe('principal URIs', () => {
  for (const kind of PRINCIPAL_KINDS) {
    test(`${kind}: named and parsed back`, () => {
      const id = kind === 'device' ? DEVICE : 'Ada.L-1_x'
      const principal = principalOf(domain, kind, id)
      assert.ok(principal && Object.isFrozen(principal))
      assert.equal(principal.uri, `spiffe://kos.internal/${kind}/${id}`)
      assert.deepEqual(parsePrincipal(principal.uri), principal)
    })
  }

  test('a device needs a device id', () => {
    assert.equal(principalOf(domain, 'device', 'ada'), undefined)
  })

  for (const id of ['', '.', 'a.', '-a', 'a/b', 'a%2fb', 'a b', 'a'.repeat(65), 'é', '..']) {
    test(`a user cannot be called ${JSON.stringify(id)}`, () =>
      assert.equal(principalOf(domain, 'user', id), undefined))
  }

  const refused = [
    'spiffe://kos.internal/user',
    'spiffe://kos.internal/user/',
    'spiffe://kos.internal/user/ada/x',
    'spiffe://kos.internal//ada',
    'spiffe:///user/ada',
    'spiffe://kos.internal:443/user/ada',
    'spiffe://a@kos.internal/user/ada',
    'spiffe://kos.internal/user/ada?x',
    'spiffe://kos.internal/user/ada#x',
    'spiffe://kos.internal/user/%61da',
    'spiffe://KOS.internal/user/ada',
    'SPIFFE://kos.internal/user/ada',
    'https://kos.internal/user/ada',
    ' spiffe://kos.internal/user/ada',
    'spiffe://kos.internal/user/ada\n',
    'spiffe://kos.internal/root/ada',
    `spiffe://${'a'.repeat(500)}/user/ada`,
  ]
  for (const uri of refused) {
    test(`${JSON.stringify(uri.slice(0, 50))} names nobody`, () =>
      assert.equal(parsePrincipal(uri), undefined))
  }
})
