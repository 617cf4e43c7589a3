/** A sensor with a pre-shared key says in HELLO that it is of a higher profile. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROFILE_NAMES, profileOf } from '../../src/foundation/profiles/index.ts'
import { FRAME, HEADER_BYTES } from '../../src/network/session/frames.ts'
import { decodeHello, encodeHello } from '../../src/network/session/hello.ts'
import { pskPair } from '../kit/psk-pair.ts'
import { rawFrame } from '../kit/session-pair.ts'

for (const name of PROFILE_NAMES.filter((floor) => floor !== 'SEC-1')) {
  test(`${name}: the key proves SEC-1 and nothing else`, () => {
    const { dialler, listener } = pskPair()
    const hello = decodeHello(dialler.start().subarray(HEADER_BYTES))
    listener.start()
    const claimed = encodeHello({ ...hello, profile: profileOf(name) })
    const { end, send } = listener.receive(rawFrame(FRAME.HELLO, 0, claimed))
    assert.ok(end && 'allow' in end)
    assert.deepEqual([end.code, end.rule], ['KOS_SESSION_PROFILE', 'hello: profile'])
    assert.equal(send.length, 0)
  })
}
