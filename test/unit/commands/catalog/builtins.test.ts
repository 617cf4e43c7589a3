/** The built-in commands that need no file system. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  catalogErrors,
  createBuiltins,
  createCatalog,
  echoCommand,
  readHostInfo,
  readHostStatus,
} from '../../../../src/commands/catalog/index.ts'
import { builtin, runCommand, testSystem } from '../../../kit/commands.ts'

test('a daemon offers exactly these commands', () => {
  const commands = createBuiltins({ system: testSystem }, { fileRoots: [] })
  assert.deepEqual(
    createCatalog(commands)
      .list()
      .map(({ name, domain, effects }) => [name, domain, effects]),
    [
      ['calc', 'rpc', 'read'],
      ['echo', 'rpc', 'read'],
      ['files.fetch', 'rpc', 'read'],
      ['files.list', 'rpc', 'read'],
      ['files.read', 'rpc', 'read'],
      ['process.run', 'rpc', 'change'],
      ['system.info', 'rpc', 'read'],
      ['system.status', 'rpc', 'read'],
    ],
  )
})

describe('echo', () => {
  test('returns text and bytes unchanged', async () => {
    for (const value of ['', 'hello', 'ü€😀\n', Uint8Array.of(0, 255)]) {
      assert.deepEqual(await runCommand(echoCommand, { value }), { value })
    }
  })

  test('is bounded', async () => {
    const { code } = await runCommand(echoCommand, { value: new Uint8Array(8193) })
    assert.equal(code, 'KOS_CATALOG_ARGUMENTS')
    assert.ok((await runCommand(echoCommand, { value: new Uint8Array(8192) }))['value'])
    assert.equal((await runCommand(echoCommand, { value: 1 }))['code'], 'KOS_CATALOG_ARGUMENTS')
  })
})

describe('system', () => {
  test('status tells what the daemon says', async () => {
    const status = await runCommand(builtin('system.status'), {})
    assert.deepEqual([status['sessions'], status['daemonUptimeMs']], [2, 1234])
    assert.equal(status['auditHealthy'], true)
  })

  test('info names versions and profile and nothing else', async () => {
    const info = await runCommand(builtin('system.info'), {})
    assert.deepEqual(Object.keys(info).toSorted(), [
      'architecture',
      'kosVersion',
      'nodeVersion',
      'os',
      'profile',
    ])
    assert.equal(info['profile'], 'SEC-2')
  })

  test('neither takes arguments', async () => {
    for (const name of ['system.status', 'system.info']) {
      const { code } = await runCommand(builtin(name), { verbose: true })
      assert.equal(code, 'KOS_CATALOG_ARGUMENTS')
    }
  })

  test('the host is read afresh', () => {
    const { load, memoryTotalBytes, memoryFreeBytes, hostUptimeMs } = readHostStatus()
    assert.equal(load.length, 3)
    assert.ok(memoryTotalBytes > memoryFreeBytes && memoryFreeBytes > 0)
    assert.ok(Number.isInteger(hostUptimeMs) && hostUptimeMs > 0)
    assert.equal(readHostInfo().nodeVersion, process.versions.node)
  })
})

test('no error text of the room ends a sentence with raw input', () => {
  assert.ok(Object.keys(catalogErrors.rows).length > 0)
  for (const { message } of Object.values(catalogErrors.rows)) assert.doesNotMatch(message, /\$\{/)
})
