import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex, KosError, toHex } from '../../../../src/foundation/base/index.ts'
import { chooseMac, deriveDeviceId } from '../../../../src/trust/pki/index.ts'

interface Vector {
  readonly note: string
  readonly mac: string
  readonly uuid: string
  readonly identitySpki: string
  readonly deviceId: string
}

const file = new URL('../../../vectors/device-id.json', import.meta.url)
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly Vector[] }
const bytes = (hex: string): Uint8Array => fromHex(hex) ?? assert.fail(hex)

describe('device ids', () => {
  for (const { note, mac, uuid, identitySpki, deviceId } of vectors) {
    it(`computes the vector: ${note}`, () => {
      const facts = { mac: bytes(mac), uuid, identitySpki: bytes(identitySpki) }
      const id = deriveDeviceId(facts)
      assert.equal(id, deviceId)
      assert.equal(id.length, 31)
    })
  }

  it('depends on every fact', () => {
    assert.equal(new Set(vectors.map(({ deviceId }) => deviceId)).size, vectors.length)
  })

  it('refuses facts of another form', () => {
    const [first] = vectors
    assert.ok(first)
    const facts = {
      mac: bytes(first.mac),
      uuid: first.uuid,
      identitySpki: bytes(first.identitySpki),
    }
    const cases = [
      ['mac', { ...facts, mac: new Uint8Array(8) }],
      ['uuid', { ...facts, uuid: first.uuid.toUpperCase() }],
      ['uuid', { ...facts, uuid: '5c146b14-3c52-4afd-938a-375d0df1fbf6' }],
      ['identity-key', { ...facts, identitySpki: facts.identitySpki.subarray(1) }],
    ] as const
    for (const [rule, wrong] of cases) {
      assert.throws(
        () => deriveDeviceId(wrong),
        (error) =>
          error instanceof KosError &&
          error.code === 'KOS_PKI_DEVICE_ID' &&
          error.details['rule'] === rule,
      )
    }
  })
})

describe('the MAC address that counts', () => {
  const cases: readonly (readonly [title: string, texts: readonly string[], chosen: string])[] = [
    ['the lowest global one', ['00:00:5e:00:53:02', '00:00:5E:00:53:01'], '00005e005301'],
    [
      'a global one before a lower local one',
      ['02:00:00:00:00:01', 'a4:00:00:00:00:01'],
      'a40000000001',
    ],
    ['the lowest local one', ['06:00:00:00:00:01', '02:00:00:00:00:09'], '020000000009'],
    ['nothing', [], '000000000000'],
    [
      'no loopback, group address or text of another form',
      ['00:00:00:00:00:00', '01:00:5e:00:00:01', '0:1:2:3:4:5', '00-00-5e-00-53-01', ''],
      '000000000000',
    ],
  ]
  for (const [title, texts, chosen] of cases) {
    it(`chooses ${title}`, () => assert.equal(toHex(chooseMac(texts)), chosen))
  }
})
