/** An image with a join line: every copy becomes a device of its own; and what is no image. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { machine } from '../../../kit/daemons.ts'

const AUTHORITY = ['authority', '--listen', '127.0.0.1:0', '--session', '127.0.0.1:0']
const LISTEN = ['--listen', '127.0.0.1:0']

test('copies of an image make keys of their own and come in one by one', async (context) => {
  const { start, kosctl, folder } = machine(context)
  const authority = start([...AUTHORITY, '--devices-per-address', '200'])
  await authority.printed('next ')
  const image = join(folder, 'image')
  const line = await kosctl('token', 'create', '--uses', '5', '--name-prefix', 'camera-')
  const file = join(folder, 'line')
  writeFileSync(file, line.out)
  const sealing = ['image', 'seal', '--state', image, '--join-file', file]
  const sealed = await kosctl(...sealing, '--name', 'camera-north')
  assert.match(
    sealed.out,
    /^sealed\nfolder +\S+image\nauthority +127.0.0.1:\d+\ntoken +\S+\nnames +camera-north\n$/,
  )
  const left = join(image, 'first-boot.json')
  assert.equal(statSync(left).mode & 0o777, 0o600)
  // Sealed again, with what is in force from now on.
  mkdirSync(join(image, 'commands'))
  assert.equal((await kosctl(...sealing, '--name', 'camera-north', '--json')).code, 0)

  const one = join(folder, 'one')
  const two = join(folder, 'two')
  for (const copy of [one, two]) cpSync(image, copy, { recursive: true })
  // The first copy starts before the authority does: nobody is there who would start it again.
  await authority.stop()
  const first = start(['node', '--state', one, ...LISTEN])
  await first.complained('waiting')
  const [at = ''] = /127\.0\.0\.1:\d+/.exec(line.out) ?? []
  const back = start(['authority', '--listen', at, '--session', '127.0.0.1:0'])
  await back.printed('authority ')
  await first.printed('address ')
  assert.match(first.terminal.printed.out, /\nnode +camera-north\n/)
  assert.ok(!existsSync(join(one, 'first-boot.json')))
  const second = start(['node', '--state', two, ...LISTEN])
  await second.printed('address ')
  assert.match(second.terminal.printed.out, /\nnode +camera-0001\n/)
  const listed = (await kosctl('devices', '--json')).out
  assert.equal(new Set(listed.match(/kdev-\w+/g)).size, 2)

  // What was started once is no image any more: its copies would be one device.
  const used = await kosctl('image', 'seal', '--state', one, '--join-file', file)
  assert.equal(used.code, 1)
  assert.match(used.err, /KOS_CLI_IMAGE/)
  // A file that a crash left after joining goes at the next start.
  await second.stop()
  cpSync(left, join(two, 'first-boot.json'))
  const again = start(['node', '--state', two, ...LISTEN])
  await again.printed('address ')
  assert.ok(!existsSync(join(two, 'first-boot.json')))
})

test('what is wrong with an image is said', async (context) => {
  const { start, kosctl, folder } = machine(context)
  const image = join(folder, 'image')
  assert.equal((await kosctl('image', 'seal', '--state', image)).code, 2)
  assert.equal((await kosctl('image', 'seal', '--join', 'kos://x')).code, 2)
  assert.equal((await kosctl('image', 'seal', '--state', image, '--join', 'kos://x')).code, 2)
  assert.ok(!existsSync(image))
  mkdirSync(image)
  writeFileSync(join(image, 'first-boot.json'), '{"joinLine":"kos://x"}', { mode: 0o600 })
  const broken = start(['node', '--state', image, ...LISTEN])
  assert.equal(await broken.ended, 2)
  const patience = ['node', '--state', join(folder, 'p'), '--patience', 'long', '--join']
  const pin = 'A'.repeat(43)
  const line = `kos://127.0.0.1:1#${pin}.${'A'.repeat(22)}.${pin}`
  assert.equal(await start([...patience, line]).ended, 2)
  for (const devices of ['0', 'many', '5000']) {
    assert.equal(await start([...AUTHORITY, '--devices-per-address', devices]).ended, 2, devices)
  }
})
