/** The bytes of the protocol do not change: `test/vectors/session.json`. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fromHex, isRefusal } from '../../../../src/foundation/base/index.ts'
import { verifyAuth } from '../../../../src/network/session/auth.ts'
import { FRAME, HEADER_BYTES } from '../../../../src/network/session/frames.ts'
import {
  buildSessionVectors,
  freshAuth,
  sealMac,
  type SessionVectors,
  vectorBinding,
} from '../../../kit/session-vectors.ts'

const FILE = join(import.meta.dirname, '../../../vectors/session.json')
const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as SessionVectors
const bytes = (hex: string | undefined): Buffer => Buffer.from(fromHex(hex ?? '-') ?? assert.fail())

test('every frame, key and SEAL is written as recorded', () => {
  const { dialler, listener } = vectors.auth
  const auth = { dialler: dialler.frame, listener: listener.frame }
  assert.deepEqual(buildSessionVectors(auth), vectors)
})

test('the recorded AUTH frames verify, and fresh ones do', () => {
  for (const role of ['dialler', 'listener'] as const) {
    const keyId = bytes(vectors.keys[role]['keyId'])
    for (const frame of [vectors.auth[role].frame, freshAuth(role)]) {
      const payload = bytes(frame).subarray(HEADER_BYTES)
      assert.ok(!isRefusal(verifyAuth(payload, vectorBinding(role), { keyHash: keyId })))
    }
    const other = vectors.auth[role === 'dialler' ? 'listener' : 'dialler'].frame
    const payload = bytes(other).subarray(HEADER_BYTES)
    assert.ok(isRefusal(verifyAuth(payload, vectorBinding(role), { keyHash: keyId })))
  }
})

test('every SEAL is what the page says, computed without the code under test', () => {
  for (const { name, epoch, number, time, frame, seal } of vectors.frames) {
    const key = vectors.schedule.dialler[`macKey${epoch}`] ?? ''
    const place = { epoch: Number(epoch), number: Number(number), time: Number(time) }
    assert.equal(String(seal).slice(-64), sealMac(key, place, String(frame)), String(name))
  }
})

test('there is a vector for every frame type that this release sends', () => {
  const types = new Set(vectors.frames.map(({ frame }) => bytes(String(frame))[3]))
  for (const frame of [vectors.hello.dialler, vectors.auth.dialler.frame]) {
    types.add(bytes(frame)[3])
  }
  for (const { seal } of vectors.frames) types.add(bytes(String(seal))[3])
  assert.deepEqual(
    Object.values(FRAME).filter((type) => !types.has(type)),
    [],
  )
})
