/** Attack: a sealed entry is moved under another name, purpose, algorithm, key or store. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret, utf8 } from '../../src/foundation/base/index.ts'
import { createKeyFolder, type KeyFolder, keysError, type StoredEntry } from '../kit/key-store.ts'

function filled(context: Parameters<typeof createKeyFolder>[0]): KeyFolder {
  const made = createKeyFolder(context)
  const keys = made.open()
  keys.create('a', 'identity', 'P-256')
  keys.create('b', 'policy', 'P-256')
  keys.sealSecret('a', Secret.copy(utf8('secret a')))
  keys.sealSecret('b', Secret.copy(utf8('secret b')))
  keys.close()
  return made
}

const named = (entries: StoredEntry[], kind: string, name: string): StoredEntry => {
  const entry = entries.find((one) => one.kind === kind && one.name === name)
  assert.ok(entry)
  return entry
}

const SWAPS: Readonly<Record<string, (entries: StoredEntry[]) => readonly object[]>> = {
  'a key under another name': (entries) => {
    named(entries, 'key', 'a').name = 'c'
    return entries
  },
  'two keys exchange their names': (entries) => {
    const [a, b] = [named(entries, 'key', 'a'), named(entries, 'key', 'b')]
    a.name = 'b'
    b.name = 'a'
    return entries
  },
  'a key for another purpose': (entries) => {
    named(entries, 'key', 'a').purpose = 'tls'
    return entries
  },
  'a key of another algorithm': (entries) => {
    named(entries, 'key', 'a').algorithm = 'Ed25519'
    return entries
  },
  'a key behind another public key': (entries) => {
    named(entries, 'key', 'a').spki = named(entries, 'key', 'b').spki
    return entries
  },
  'a key with the sealed bytes of another one': (entries) => {
    named(entries, 'key', 'a').sealed = named(entries, 'key', 'b').sealed
    return entries
  },
  'a secret under another name': (entries) => {
    named(entries, 'secret', 'a').name = 'c'
    return entries
  },
  'two secrets exchange their bytes': (entries) => {
    const [a, b] = [named(entries, 'secret', 'a'), named(entries, 'secret', 'b')]
    const { sealed } = a
    a.sealed = b.sealed
    b.sealed = sealed
    return entries
  },
  'a secret turned into a key': (entries) => {
    const secret = named(entries, 'secret', 'a')
    const key = named(entries, 'key', 'a')
    key.sealed = secret.sealed
    return entries
  },
}

for (const [title, swap] of Object.entries(SWAPS)) {
  test(`${title} is refused`, (context) => {
    const { open, tamper } = filled(context)
    tamper(swap)
    assert.throws(open, keysError('KOS_KEYS_CORRUPT', 'entry'))
  })
}

test('an entry that stands twice is refused', (context) => {
  const { open, tamper } = filled(context)
  tamper((entries) => [...entries, named(entries, 'key', 'a')])
  assert.throws(open, keysError('KOS_KEYS_CORRUPT', 'double entry'))
})

test('unknown purposes, fields and names are refused', (context) => {
  for (const change of [{ purpose: 'root' }, { extra: 1 }, { name: '../a' }, { kind: 'other' }]) {
    const { open, tamper } = filled(context)
    tamper((entries) => entries.map((entry, at) => (at === 0 ? { ...entry, ...change } : entry)))
    assert.throws(open, keysError('KOS_KEYS_CORRUPT'))
  }
})

test('an entry of another store is refused', (context) => {
  const foreign: StoredEntry[] = []
  filled(context).tamper((entries) => {
    foreign.push(named(entries, 'key', 'a'))
    return entries
  })
  const { open, tamper } = filled(context)
  tamper((entries) =>
    entries.map((entry) =>
      entry.name === 'a' && entry.kind === 'key' ? { ...foreign[0] } : entry,
    ),
  )
  assert.throws(open, keysError('KOS_KEYS_CORRUPT', 'entry'))
})
