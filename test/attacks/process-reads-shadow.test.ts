/** Attack: a program reads what belongs to the host. */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSandbox, printed } from '../kit/sandbox.ts'
import { temporaryFolder } from '../kit/temporary.ts'

test('neither files nor processes of the host can be seen', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const secret = join(temporaryFolder(context), 'secret')
  writeFileSync(secret, 'canary', { mode: 0o644 })
  for (const path of [
    '/etc/shadow',
    '/etc/passwd',
    secret,
    '/root',
    '/home',
    '/dev/kmsg',
    '/sys',
  ]) {
    const ended = await sandbox.script(`cat ${path} || ls -a ${path}`)
    assert.notEqual(ended.exitCode, 0, path)
    assert.equal(printed(ended).out, '', path)
  }
  const processes = await sandbox.script('cat /proc/[0-9]*/cmdline | tr "\\0" " "')
  assert.ok(existsSync(`/proc/${process.pid}`))
  assert.doesNotMatch(printed(processes).out, /kosd|node /)
})

test('nothing of the kernel can be written', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  for (const path of ['/proc/sys/kernel/hostname', '/proc/sysrq-trigger', '/proc/self/mem']) {
    const ended = await sandbox.script(`echo x > ${path}`)
    assert.notEqual(ended.exitCode, 0, path)
  }
  const facts = printed(await sandbox.script('cat /proc/self/status')).out
  assert.match(facts, /^CapEff:\t0+$/m)
  assert.match(facts, /^NoNewPrivs:\t1$/m)
  const nested = await sandbox.script('unshare --user true')
  assert.notEqual(nested.exitCode, 0)
})
