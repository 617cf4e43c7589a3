/** Attack: somebody else writes the configuration of a daemon, or puts another file in its place. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createConfigFolder } from '../kit/config.ts'

test('a file that others can write, or that is none, is not read', async (context) => {
  const { folder, path, state, write, start, config } = createConfigFolder(context)
  write('standby: true\n')
  const refused = async (problem: RegExp, ...args: readonly string[]): Promise<void> => {
    for (const { code, err } of [
      await start(...args),
      await config(['set', 'psk', 'true', ...args]),
    ]) {
      assert.equal(code, 1)
      assert.match(err, problem)
    }
  }
  for (const mode of [0o620, 0o602, 0o666]) {
    chmodSync(path, mode)
    await refused(/the file can be written by its group or by others/)
  }
  chmodSync(path, 0o644)
  assert.equal((await start()).code, 0)
  chmodSync(folder, 0o777)
  await refused(/lies below .*node, which others can write/)
  chmodSync(folder, 0o700)
  const open = join(state, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  writeFileSync(join(open, 'c.yaml'), 'standby: true\n')
  await refused(/lies below .*open, which others can write/, '--config', join(open, 'c.yaml'))
  renameSync(path, join(open, 'config.yaml'))
  symlinkSync(join(open, 'config.yaml'), path)
  await refused(/lies below .*open, which others can write/)
  rmSync(path)
  symlinkSync(join(state, 'nowhere'), path)
  await refused(/the file does not exist/)
  rmSync(path)
  mkdirSync(path)
  await refused(/the file is not a regular file/)
  rmSync(path, { recursive: true })
  writeFileSync(path, Buffer.from('share: /srv/\xff\n', 'latin1'))
  await refused(/the file is not UTF-8/)
})
