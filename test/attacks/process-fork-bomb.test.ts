/** Attack: a program forks until the machine is full. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSandbox, printed, processesWith, TEST_LIMITS, until } from '../kit/sandbox.ts'

const BOMB = `
my $made = 0;
for (1 .. 500) {
  my $pid = fork;
  last if !defined $pid;
  if (!$pid) { sleep 86398; exit }
  $made++;
}
print $made;
`

test('a fork bomb ends at the number of processes, and all of it is killed', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const maxProcesses = 12
  const ended = await sandbox.run({
    program: '/usr/bin/perl',
    arguments: ['-e', BOMB],
    limits: { ...TEST_LIMITS, maxProcesses },
  })
  assert.ok(!('allow' in ended), JSON.stringify(ended))
  assert.equal(ended.exitCode, 0)
  assert.equal(printed(ended).out, String(maxProcesses - 1))
  await until('its children are gone', () => processesWith('86398').length === 0)
})

test('a program that goes to the background does not outlive its run', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  const ended = await sandbox.script('setsid sh -c "sleep 86397" </dev/null >/dev/null 2>&1 & echo')
  assert.equal(ended.exitCode, 0)
  await until('it is gone', () => processesWith('86397').length === 0)
})
