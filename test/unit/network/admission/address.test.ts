import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseSource } from '../../../../src/network/admission/address.ts'

describe('the source of an address', () => {
  test('IPv4 counts by the whole address', () => {
    assert.deepEqual(parseSource('192.0.2.1'), {
      address: '192.0.2.1',
      family: 'ipv4',
      prefixes: ['192.0.2.1/32'],
    })
  })

  test('IPv6 counts by /64, /56 and /48', () => {
    assert.deepEqual(parseSource('2001:db8:1:2345:a::b'), {
      address: '2001:db8:1:2345:a:0:0:b',
      family: 'ipv6',
      prefixes: ['2001:db8:1:2345::/64', '2001:db8:1:2300::/56', '2001:db8:1::/48'],
    })
  })

  test('one IPv6 address has one form, whatever it is written like', () => {
    const forms = [
      '2001:DB8::1',
      '2001:0db8:0:0:0:0:0:0001',
      '2001:db8::0.0.0.1',
      '2001:db8::1%eth0',
    ]
    for (const form of forms) assert.deepEqual(parseSource(form), parseSource('2001:db8::1'), form)
    assert.equal(parseSource('::1')?.address, '0:0:0:0:0:0:0:1')
    assert.equal(parseSource('1::')?.address, '1:0:0:0:0:0:0:0')
    assert.equal(parseSource('::')?.prefixes[0], '0:0:0:0::/64')
  })

  test('an IPv4-mapped address is the IPv4 address', () => {
    const forms = ['::ffff:192.0.2.1', '::FFFF:c000:201', '0:0:0:0:0:ffff:192.0.2.1']
    for (const form of forms) assert.deepEqual(parseSource(form), parseSource('192.0.2.1'), form)
    // Only ::ffff:0:0/96 is mapped; neighbours stay IPv6.
    assert.equal(parseSource('::fffe:192.0.2.1')?.family, 'ipv6')
    assert.equal(parseSource('1::ffff:192.0.2.1')?.family, 'ipv6')
  })

  test('anything else is no address', () => {
    const none = [
      '',
      'localhost',
      '192.0.2',
      '192.0.2.256',
      '192.0.2.01',
      '2001:db8',
      ':::',
      '/tmp/x',
    ]
    for (const text of none) assert.equal(parseSource(text), undefined, text)
  })
})
