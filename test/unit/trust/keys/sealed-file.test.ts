/** Files of any length, sealed under a passphrase: nothing can be cut, moved, changed or added. */
import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Secret, systemRandom } from '../../../../src/foundation/base/index.ts'
import { createSealedFile, keysErrors, openSealedFile } from '../../../../src/trust/keys/index.ts'
import {
  partsReader,
  partsWriter,
  type Sealer,
  sealerOf,
} from '../../../../src/trust/keys/sealed-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'kos-sealed-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'file')
const KIND = 'kos-test-v1'
const PART = 64 * 1024
const PART_REFUSED = 'KOS_KEYS_CORRUPT file: part'
const secret = (text = 'correct horse'): Secret => Secret.take(Buffer.from(text))

function seal(chunks: readonly Uint8Array[], kind = KIND): Uint8Array {
  const descriptor = openSync(path, 'w')
  try {
    const file = createSealedFile(
      { random: systemRandom },
      { descriptor, kind, passphrase: secret() },
    )
    for (const chunk of chunks) file.write(chunk)
    file.end()
  } finally {
    closeSync(descriptor)
  }
  return readFileSync(path)
}

function open(
  bytes: Uint8Array,
  length: number,
  { kind = KIND, passphrase = secret() } = {},
): Uint8Array {
  writeFileSync(path, bytes)
  const descriptor = openSync(path, 'r')
  try {
    const file = openSealedFile({ descriptor, kind, passphrase })
    const read = file.read(length)
    file.end()
    return read
  } finally {
    closeSync(descriptor)
  }
}

const rule = (work: () => unknown): string => {
  try {
    work()
    return 'opened'
  } catch (error) {
    return keysErrors.has(error)
      ? `${String(error.code)} ${String(error.details['rule'])}`
      : String(error)
  }
}

const KEY = new Uint8Array(32).fill(5)
const HEAD = new Uint8Array(48).fill(6)
const sealer = (head = HEAD): Sealer => sealerOf(head, Secret.copy(KEY))

/** Without the passphrase, whose work would be most of this test. */
function sealParts(chunks: readonly Uint8Array[], head = HEAD): Uint8Array {
  const descriptor = openSync(path, 'w')
  try {
    const parts = partsWriter(descriptor, sealer(head))
    for (const chunk of chunks) parts.write(chunk)
    parts.end()
  } finally {
    closeSync(descriptor)
  }
  return readFileSync(path)
}

function openParts(bytes: Uint8Array, length: number): Uint8Array {
  writeFileSync(path, bytes)
  const descriptor = openSync(path, 'r')
  try {
    const parts = partsReader(descriptor, sealer())
    const read = parts.read(length)
    parts.end()
    return read
  } finally {
    closeSync(descriptor)
  }
}

test('what is sealed opens, whatever its length and however it is written', () => {
  for (const length of [0, 1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 5]) {
    const bytes = systemRandom.bytes(length)
    const at = Math.floor(length / 3)
    const sealed = sealParts([bytes.subarray(0, at), bytes.subarray(at)])
    assert.ok(!Buffer.from(sealed).includes(Buffer.from(bytes.subarray(0, 16))) || length < 16)
    assert.deepEqual(Buffer.from(openParts(sealed, length)), Buffer.from(bytes), `${length}`)
  }
})

test('what was cut, moved, doubled or changed is refused', () => {
  const length = 2 * PART + 10
  const sealed = sealParts([systemRandom.bytes(length)])
  const part = PART + 16
  // Cut behind a whole part: what is left is genuine, and not the end.
  for (const cut of [0, part, 2 * part, sealed.length - 1]) {
    assert.match(
      rule(() => openParts(sealed.subarray(0, cut), length)),
      /file: (?:truncated|part)/,
    )
  }
  const parts = [
    sealed.subarray(0, part),
    sealed.subarray(part, 2 * part),
    sealed.subarray(2 * part),
  ]
  const [one = KEY, two = KEY, three = KEY] = parts
  assert.equal(
    rule(() => openParts(Buffer.concat([two, one, three]), length)),
    PART_REFUSED,
  )
  assert.equal(
    rule(() => openParts(Buffer.concat([sealed, sealed]), length)),
    PART_REFUSED,
  )
  assert.equal(
    rule(() => openParts(sealed, length - 1)),
    'KOS_KEYS_CORRUPT file: longer',
  )
  assert.equal(
    rule(() => openParts(sealed, length + 1)),
    'KOS_KEYS_CORRUPT file: truncated',
  )
  for (const at of [0, part + 7, sealed.length - 1]) {
    const changed = Buffer.from(sealed)
    changed.writeUInt8((changed[at] ?? 0) ^ 1, at)
    assert.equal(
      rule(() => openParts(changed, length)),
      PART_REFUSED,
      `byte ${at}`,
    )
  }
  // A part of another file under the same key does not fit.
  const other = sealParts([systemRandom.bytes(length)], new Uint8Array(48).fill(9))
  assert.equal(
    rule(() => openParts(other, length)),
    PART_REFUSED,
  )
})

test('a wrong passphrase, another kind and a cut head are told apart', () => {
  const sealed = seal([Buffer.from('registry')])
  assert.equal(Buffer.from(open(sealed, 8)).toString(), 'registry')
  assert.equal(
    rule(() => open(sealed, 8, { passphrase: secret('another horse') })),
    'KOS_KEYS_UNLOCK wrong key',
  )
  assert.equal(
    rule(() => open(sealed, 8, { kind: 'kos-other-v1' })),
    'KOS_KEYS_CORRUPT file: kind',
  )
  assert.equal(
    rule(() => open(sealed.subarray(0, 20), 1)),
    'KOS_KEYS_CORRUPT file: kind',
  )
  assert.equal(
    rule(() => open(sealed.subarray(0, 50), 1)),
    'KOS_KEYS_CORRUPT file: truncated',
  )
  const unknown = Buffer.from(sealed)
  unknown.writeUInt8(9, 24)
  assert.equal(
    rule(() => open(unknown, 8)),
    'KOS_KEYS_CORRUPT file: kind',
  )
})

test('a passphrase that anybody guesses is refused before anything is written', () => {
  const descriptor = openSync(path, 'w')
  try {
    const options = { descriptor, kind: KIND, passphrase: secret('short') }
    assert.equal(
      rule(() => createSealedFile({ random: systemRandom }, options)),
      'KOS_KEYS_UNLOCK passphrase too short',
    )
  } finally {
    closeSync(descriptor)
  }
  assert.equal(readFileSync(path).length, 0)
})
