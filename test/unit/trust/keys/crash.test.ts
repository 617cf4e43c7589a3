import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { systemRandom, utf8 } from '../../../../src/foundation/base/index.ts'
import { writePrivateFile } from '../../../../src/trust/keys/store-file.ts'
import { createKeyFolder, keysError } from '../../../kit/key-store.ts'

test('a half-written temporary file is ignored and cleared', (context) => {
  const { folder, file, open } = createKeyFolder(context)
  open().create('a', 'log', 'Ed25519')
  const whole = readFileSync(file)
  writeFileSync(join(folder, 'keystore.cbor.0123456789abcdef.tmp'), whole.subarray(0, 100))
  writeFileSync(join(folder, 'keystore.key.0123456789abcdef.tmp'), 'x')
  assert.deepEqual(
    open()
      .list()
      .map(({ name }) => name),
    ['a'],
  )
  assert.deepEqual(readdirSync(folder).toSorted(), ['keystore.cbor', 'keystore.key'])
})

test('a crash between key file and store leaves a usable folder', (context) => {
  const { file, open } = createKeyFolder(context)
  open().close()
  rmSync(file)
  open().create('a', 'log', 'Ed25519')
  assert.equal(open().list().length, 1)
})

test('a write that fails reports it, and leaves nothing behind', (context) => {
  const { folder } = createKeyFolder(context)
  const options = { random: systemRandom, replace: true }
  const missing = { folder: join(folder, 'missing'), name: 'keystore.cbor' }
  assert.throws(() => writePrivateFile(missing, utf8('x'), options), keysError('KOS_KEYS_WRITE'))
  const taken = { folder, name: 'taken' }
  mkdirSync(join(folder, 'taken'))
  assert.throws(() => writePrivateFile(taken, utf8('x'), options), keysError('KOS_KEYS_WRITE'))
  assert.deepEqual(readdirSync(folder), ['taken'])
})

test('a file is not made over another one', (context) => {
  const { folder } = createKeyFolder(context)
  const place = { folder, name: 'keystore.key' }
  const options = { random: systemRandom, replace: false }
  writePrivateFile(place, utf8('first'), options)
  const again = () => writePrivateFile(place, utf8('second'), options)
  assert.throws(again, keysError('KOS_KEYS_CHANGED'))
  assert.equal(readFileSync(join(folder, 'keystore.key'), 'utf8'), 'first')
  assert.deepEqual(readdirSync(folder), ['keystore.key'])
})

test('a change by another process is noticed instead of overwritten', (context) => {
  const { open } = createKeyFolder(context)
  const mine = open()
  const theirs = open()
  theirs.create('a', 'log', 'Ed25519')
  assert.throws(() => mine.create('b', 'log', 'Ed25519'), keysError('KOS_KEYS_CHANGED'))
  assert.equal(mine.get('b'), undefined)
  assert.deepEqual(
    open()
      .list()
      .map(({ name }) => name),
    ['a'],
  )
})

const ROOMS = ['trust/keys/index.ts', 'foundation/base/index.ts'].map((path) =>
  join(import.meta.dirname, '../../../../src', path),
)

/** A killed or limited process would leave half a coverage report, which spoils all of them. */
const ENVIRONMENT = { ...process.env, NODE_V8_COVERAGE: '' }

const WRITER = `
  const { openKeyStore } = await import(process.argv[1])
  const { systemRandom } = await import(process.argv[2])
  const keys = openKeyStore(
    { random: systemRandom },
    { directory: process.argv[3], unlock: { kind: 'file' } },
  )
  for (let at = 0; at < 200; at += 1) {
    keys.create('k' + at, 'log', 'Ed25519')
    process.stdout.write('k' + at + '\\n')
  }
`

test('every key that was reported is there after the process was killed', async (context) => {
  const { folder, open } = createKeyFolder(context)
  const args = ['--input-type=module', '--eval', WRITER, ...ROOMS, folder]
  const child = spawn(process.execPath, args, {
    env: ENVIRONMENT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const reported: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    reported.push(line)
    if (reported.length === 10) child.kill('SIGKILL')
  }
  await exited
  assert.ok(reported.length >= 10 && reported.length < 200)
  const keys = open()
  for (const name of reported) assert.ok(keys.get(name), name)
  assert.ok(keys.list().length <= reported.length + 1)
})

const FILLER = `
  const { openKeyStore } = await import(process.argv[1])
  const { Secret, systemRandom } = await import(process.argv[2])
  const keys = openKeyStore(
    { random: systemRandom },
    { directory: process.argv[3], unlock: { kind: 'file' } },
  )
  keys.create('small', 'log', 'Ed25519')
  try {
    keys.sealSecret('large', Secret.copy(new Uint8Array(60_000)))
  } catch (error) {
    const state = [error.code, keys.openSecret('large') === undefined, keys.list().length]
    process.stdout.write(JSON.stringify(state))
  }
`

test('on a full disk, memory and file stay as they were', (context) => {
  const { folder, open } = createKeyFolder(context)
  // A limit on the size of files (16 KiB) refuses a write in the middle, as a full disk does.
  const script = 'ulimit -f 32 && exec "$0" --input-type=module --eval "$@"'
  const args = ['-c', script, process.execPath, FILLER, ...ROOMS, folder]
  const { stdout } = spawnSync('sh', args, { env: ENVIRONMENT })
  assert.equal(stdout.toString(), JSON.stringify(['KOS_KEYS_WRITE', true, 1]))
  assert.deepEqual(readdirSync(folder).toSorted(), ['keystore.cbor', 'keystore.key'])
  const keys = open()
  assert.ok(keys.get('small'))
  assert.equal(keys.openSecret('large'), undefined)
})
