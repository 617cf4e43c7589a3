/** Secrets of the device in the environment of a command's program, and nowhere else. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Secret, utf8 } from '../../../../src/foundation/base/index.ts'
import {
  type CommandSecrets,
  readUserCommand,
  type ProgramRun,
} from '../../../../src/commands/catalog/index.ts'
import { guardStream } from '../../../../src/commands/catalog/user-secrets.ts'
import { commandContext, runCommand } from '../../../kit/commands.ts'
import {
  commandFile,
  moduleCommand,
  pointersOf,
  recordingRunner,
  sandbox,
  USER_ID,
  userCommand,
} from '../../../kit/user-commands.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const SECRET = 'correct horse'
const secretsOf = (values: Readonly<Record<string, string>>): CommandSecrets => ({
  has: (name) => Object.hasOwn(values, name),
  open: (name) => (Object.hasOwn(values, name) ? Secret.copy(utf8(values[name] ?? '')) : undefined),
})
const secrets = secretsOf({ weather: SECRET })
const environment = { API_KEY: { secret: 'weather' }, MODE: 'fast' }
const withEnvironment = (given: object): Readonly<Record<string, unknown>> =>
  commandFile({
    run: { program: '/usr/bin/printf', arguments: ['%s', '{word}'], environment: given },
  })

test('a program gets what its file names, over nothing that kOS sets', async () => {
  const runner = recordingRunner()
  const command = userCommand(withEnvironment(environment), runner, { secrets })
  await runCommand(command, { word: 'hello' })
  assert.deepEqual(runner.runs[0]?.environment, {
    API_KEY: SECRET,
    MODE: 'fast',
    PATH: '/usr/bin:/bin',
    LANG: 'C.UTF-8',
    HOME: '/tmp',
  })
  assert.ok(!JSON.stringify(command).includes('weather'))
})

test('a secret that is gone is a failure that says what to do', async () => {
  for (const parts of [{}, { secrets: secretsOf({}) }]) {
    const runner = recordingRunner()
    const command = userCommand(withEnvironment(environment), runner, parts)
    const { rule, remedy } = await runCommand(command, { word: 'hello' })
    assert.equal(rule, 'program/secret-missing')
    assert.match(String(remedy), /kosctl config set secrets\.NAME/)
    assert.equal(runner.runs.length, 0)
  }
})

test('what a file may name', () => {
  const wrong: readonly (readonly [environment: object, pointer: string])[] = [
    [{ lower: 'x' }, '/run/environment/lower'],
    [{ PATH: '/tmp' }, '/run/environment/PATH'],
    [{ LD_PRELOAD: 'x.so' }, '/run/environment/LD_PRELOAD'],
    [{ NODE_OPTIONS: '--x' }, '/run/environment/NODE_OPTIONS'],
    [{ KEY: { secret: 'No Name' } }, '/run/environment/KEY/secret'],
    [{ KEY: { secret: 'a', more: 1 } }, '/run/environment/KEY/more'],
    [{ KEY: 'a\nb' }, '/run/environment/KEY'],
    [Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`K${n}`, 'x'])), '/run/environment'],
  ]
  for (const [given, pointer] of wrong)
    assert.deepEqual(pointersOf(withEnvironment(given)), [pointer])
  const checks = { folder: '/', userId: USER_ID, reserved: new Set<string>(), secretFolders: [] }
  const file = JSON.stringify(withEnvironment(environment))
  assert.deepEqual(readUserCommand(file, { ...checks, secrets }).problems, [])
  assert.deepEqual(readUserCommand(file, { ...checks, secrets: secretsOf({}) }).problems, [
    {
      pointer: '/run/environment/API_KEY/secret',
      problem: 'is not in the configuration: kosctl config set secrets.weather',
    },
  ])
})

describe('a stream', () => {
  const streamed = async (pieces: readonly string[]): Promise<{ sent: string; rule: unknown }> => {
    const programs = {
      missing: [],
      run: async ({ onStdout }: ProgramRun) => {
        for (const piece of pieces) await onStdout?.(Buffer.from(piece))
        return {
          exitCode: 0,
          signal: null,
          reason: 'exit' as const,
          truncated: false,
          stdout: new Uint8Array(),
          stderr: new Uint8Array(),
          durationMs: 1,
        }
      },
    }
    const file = { ...withEnvironment(environment), streams: true }
    const sent: string[] = []
    const emit = (bytes: Uint8Array): Promise<void> => {
      sent.push(Buffer.from(bytes).toString())
      return Promise.resolve()
    }
    const context = { ...commandContext(), emit }
    const { rule } = await runCommand(
      userCommand(file, programs, { secrets }),
      { word: 'x' },
      context,
    )
    return { sent: sent.join(''), rule }
  }

  test('without the secret passes whole', async () => {
    const pieces = ['correct ', 'horses? correct hors', 'e', 's', ' corr']
    assert.equal((await streamed(['correct ', 'house', ' corr'])).sent, 'correct house corr')
    assert.equal((await streamed([])).sent, '')
    assert.equal((await streamed(pieces)).rule, 'program/secret-in-output')
  })

  test('ends before the secret, however it is cut', async () => {
    for (let at = 0; at < SECRET.length; at += 1) {
      const cut = [`abx${SECRET.slice(0, at)}`, SECRET.slice(at), 'never']
      assert.deepEqual(await streamed(cut), { sent: 'abx', rule: 'program/secret-in-output' })
    }
    assert.deepEqual(await streamed(`ab${SECRET}`.split('')), {
      sent: 'ab',
      rule: 'program/secret-in-output',
    })
  })

  test('whose reader fails, fails as it does', async () => {
    const guarded = guardStream(() => Promise.reject(new Error('gone')), [SECRET])
    await assert.rejects(guarded.emit(Buffer.from('text')), /gone/)
    assert.equal(guarded.isStopped, false)
  })
})

test('in the sandbox, programs and modules have it; what repeats it is withheld', async (context) => {
  const programs = await sandbox(context)
  if (!programs) return
  const folder = temporaryFolder(context)
  const changes = { run: { module: './module.mjs', environment } }
  const module = (text: string): Promise<Readonly<Record<string, unknown>>> =>
    runCommand(moduleCommand(text, { folder, programs, changes, secrets }), { value: 'x' })
  const length = 'export const run = () => ({ value: String(process.env.API_KEY.length) })'
  assert.deepEqual(await module(length), { value: String(SECRET.length) })
  const repeat = 'export const run = () => ({ value: `it is ${process.env.API_KEY}` })'
  assert.equal((await module(repeat))['rule'], 'program/secret-in-output')
  const printenv = commandFile({
    run: { program: '/usr/bin/printenv', arguments: ['{word}'], environment },
  })
  const command = userCommand(printenv, programs, { secrets })
  assert.deepEqual(await runCommand(command, { word: 'MODE' }), { text: 'fast' })
  assert.equal((await runCommand(command, { word: 'API_KEY' }))['rule'], 'program/secret-in-output')
})
