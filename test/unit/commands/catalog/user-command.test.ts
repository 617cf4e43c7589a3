/** Commands of files: what is run, and what becomes of what it says. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type ProgramResult, type ProgramRunner } from '../../../../src/commands/catalog/index.ts'
import { refuse } from '../../../../src/foundation/base/index.ts'
import { commandContext, runCommand } from '../../../kit/commands.ts'
import {
  commandFile,
  moduleCommand,
  objectSchema,
  recordingRunner,
  userCommand,
} from '../../../kit/user-commands.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const text = (stdout: string): Partial<ProgramResult> => ({ stdout: Buffer.from(stdout) })

describe('words of a program', () => {
  const file = commandFile({
    arguments: objectSchema(
      {
        unit: { type: 'string' },
        lines: { type: 'integer' },
        all: { type: 'boolean' },
        names: { type: 'array', items: { type: 'string' } },
      },
      ['unit'],
    ),
    positional: ['unit'],
    examples: [{ purpose: 'x', arguments: { unit: 'a' } }],
    run: {
      program: '/usr/bin/printf',
      arguments: ['-u', '{unit}', ['-n', '{lines}'], ['--all', '{all}'], '{{x}}', '--', '{names}'],
      allowHyphen: ['lines'],
    },
  })
  const wordsOf = async (args: unknown): Promise<unknown> => {
    const runner = recordingRunner()
    const result = await runCommand(userCommand(file, runner), args)
    return runner.runs[0]?.arguments ?? result['rule']
  }

  test('every value is one word, and a list one word per item', async () => {
    assert.deepEqual(await wordsOf({ unit: "a b; $(c) 'd'", names: ['x y', ''] }), [
      '-u',
      "a b; $(c) 'd'",
      '{x}',
      '--',
      'x y',
      '',
    ])
  })

  test('what is missing takes its list with it', async () => {
    assert.deepEqual(await wordsOf({ unit: 'a', lines: -3, all: false }), [
      '-u',
      'a',
      '-n',
      '-3',
      '--all',
      'false',
      '{x}',
      '--',
    ])
  })

  test('a value that looks like an option is refused before anything runs', async () => {
    assert.equal(await wordsOf({ unit: '--help' }), 'arguments.unit: looks like an option')
    assert.equal(
      await wordsOf({ unit: 'a', names: ['b', '-c'] }),
      'arguments.names: looks like an option',
    )
  })
})

test('a run gets the bounds of its file, lowered by profile and deadline', async () => {
  const runner = recordingRunner()
  const limits = { timeoutMs: 60_000, memoryMiB: 64, processes: 256, cpuSeconds: 300 }
  await runCommand(userCommand(commandFile({ limits }), runner), { word: 'hi' })
  const [run] = runner.runs
  assert.deepEqual(run?.limits, {
    wallMs: 10_000,
    cpuSeconds: 15,
    maxOutputBytes: 262_144,
    maxMemoryBytes: 64 * 1024 * 1024,
    maxProcesses: 32,
    maxFileBytes: 32 * 1024 * 1024,
    maxOpenFiles: 128,
  })
  assert.deepEqual(run.environment, { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: '/tmp' })
  assert.deepEqual([run.readOnlyPaths, run.input.length], [[], 0])
})

test('JSON in and out', async () => {
  const runner = recordingRunner(() => text('{"n": 7}\n'))
  const file = commandFile({
    result: objectSchema({ n: { type: 'integer' } }),
    examples: [{ purpose: 'x', arguments: { word: 'x' } }],
    run: { program: '/usr/bin/printf', input: 'json', output: 'json', reads: ['/usr/share'] },
  })
  assert.deepEqual(await runCommand(userCommand(file, runner), { word: 'hi' }), { n: 7 })
  const [run] = runner.runs
  assert.equal(Buffer.from(run?.input ?? []).toString(), '{"word":"hi"}\n')
  assert.deepEqual(run?.readOnlyPaths, ['/usr/share'])
})

describe('standard error', () => {
  const told = { program: '/usr/bin/printf', arguments: ['%s', '{word}'], stderr: 'result' }
  const examples = [{ purpose: 'x', arguments: { word: 'x' } }]
  const stderr = Buffer.from('first\nlast \u001b[31m word\n')

  test('is told to nobody unless the file says so', async () => {
    const runner = recordingRunner(() => ({ ...text('hi'), stderr }))
    assert.deepEqual(await runCommand(userCommand(commandFile(), runner), { word: 'hi' }), {
      text: 'hi',
    })
    const failing = recordingRunner(() => ({ exitCode: 2, stderr }))
    const failed = await runCommand(userCommand(commandFile(), failing), { word: 'hi' })
    assert.deepEqual([failed['rule'], failed['remedy']], ['program/exit-2', undefined])
  })

  test('is a member of the result, its end at most', async () => {
    const file = commandFile({ run: told, examples })
    const runner = recordingRunner(() => ({ ...text('hi'), stderr }))
    assert.deepEqual(await runCommand(userCommand(file, runner), { word: 'hi' }), {
      text: 'hi',
      stderr: stderr.toString(),
    })
    const long = recordingRunner(() => ({ stderr: Buffer.alloc(100_000, 0xff) }))
    const { stderr: end } = await runCommand(userCommand(file, long), { word: 'hi' })
    assert.equal(end, '\ufffd'.repeat(4096))
  })

  test('its last line comes with a failure, and can command no terminal', async () => {
    const file = commandFile({ run: told, examples })
    const runner = recordingRunner(() => ({ exitCode: 2, stderr }))
    const failed = await runCommand(userCommand(file, runner), { word: 'hi' })
    assert.deepEqual(
      [failed['rule'], failed['remedy']],
      ['program/exit-2', 'It said: last ?[31m word'],
    )
  })

  test('stands beside JSON, and the program cannot forge it', async () => {
    const file = commandFile({
      result: objectSchema({ n: { type: 'integer' }, stderr: { type: 'string' } }),
      run: { program: '/usr/bin/printf', output: 'json', stderr: 'result' },
      examples,
    })
    const runner = recordingRunner(() => ({ ...text('{"n":1,"stderr":"forged"}'), stderr }))
    const result = await runCommand(userCommand(file, runner), { word: 'hi' })
    assert.deepEqual(result, { n: 1, stderr: stderr.toString() })
  })
})

describe('a command that streams', () => {
  const file = commandFile({
    streams: true,
    limits: { maxStreamBytes: 300_000, maxResultBytes: 1000 },
    examples: [{ purpose: 'x', arguments: { word: 'x' } }],
  })

  test('hands over standard output as it comes, and then an empty text', async () => {
    const runner = recordingRunner(() => ({ stdout: new Uint8Array() }))
    const command = userCommand(file, {
      missing: [],
      run: async (run) => {
        for (const piece of ['a', 'b']) await run.onStdout?.(Buffer.from(piece))
        return runner.run(run)
      },
    })
    assert.deepEqual([command.streams, command.limits.maxResultBytes], [true, 301_000])
    const pieces: string[] = []
    const emit = async (bytes: Uint8Array): Promise<void> => {
      pieces.push(Buffer.from(bytes).toString())
      await Promise.resolve()
    }
    const result = await runCommand(command, { word: 'hi' }, { ...commandContext(), emit })
    assert.deepEqual([pieces, result], [['a', 'b'], { text: '' }])
    assert.equal(runner.runs[0]?.limits.maxOutputBytes, 300_000)
  })

  test('answers as any other without a stream', async () => {
    const runner = recordingRunner()
    assert.deepEqual(await runCommand(userCommand(file, runner), { word: 'hi' }), { text: 'hello' })
    assert.deepEqual(
      [runner.runs[0]?.onStdout, runner.runs[0]?.limits.maxOutputBytes],
      [undefined, 4096],
    )
  })
})

describe('an end without a usable result is a failure that says how', () => {
  const json = {
    result: objectSchema({ n: { type: 'integer' } }),
    examples: [{ purpose: 'x', arguments: { word: 'x' } }],
    run: { program: '/usr/bin/printf', output: 'json' },
  }
  for (const [rule, changes, answer] of [
    ['program/exit-3', {}, { exitCode: 3 }],
    ['program/signal-SIGSEGV', {}, { exitCode: null, signal: 'SIGSEGV' }],
    ['program/wall-time', {}, { exitCode: null, signal: 'SIGKILL', reason: 'wall-time' }],
    ['program/output', {}, { exitCode: null, signal: 'SIGKILL', reason: 'output' }],
    ['program/output-not-utf8', {}, { stdout: Uint8Array.of(0xff) }],
    ['program/output-not-json', json, text('{"n":1,"n":2}')],
    ['program/output-not-json', json, text('')],
    ['program/output-schema', json, text('{"n":"1"}')],
    ['program/output-schema', json, text('{"n":1,"more":2}')],
    ['program/output-schema', {}, text('x'.repeat(20_000))],
  ] as const) {
    test(rule, async () => {
      const runner = recordingRunner(() => answer)
      const result = await runCommand(userCommand(commandFile(changes), runner), { word: 'hi' })
      assert.deepEqual([result['code'], result['rule']], ['KOS_CATALOG_PROGRAM', rule])
    })
  }

  test('the record says what ran, how it ended, and what the sandbox lacks', async () => {
    const facts: Record<string, unknown> = {}
    const runner = { ...recordingRunner(() => ({ exitCode: 3 })), missing: ['landlock', 'x'] }
    const note = (more: object): void => void Object.assign(facts, more)
    await userCommand(commandFile(), runner).run({ ...commandContext(), note }, { word: 'hi' })
    assert.deepEqual(facts, {
      program: '/usr/bin/printf',
      sandbox: 'bubblewrap',
      missing: 'landlock x',
      reason: 'exit',
      exitCode: 3,
    })
  })

  test('a refusal of the sandbox is passed on', async () => {
    const refusal = refuse('KOS_SANDBOX_MISSING', 'sandbox/program')
    const runner: ProgramRunner = { missing: [], run: () => Promise.resolve(refusal) }
    const command = userCommand(commandFile(), runner)
    assert.equal(await command.run(commandContext(), { word: 'hi' }), refusal)
  })

  test('a program that became writable for others is not started', async (context) => {
    const path = join(temporaryFolder(context), 'tool')
    writeFileSync(path, '#!/usr/bin/true\n', { mode: 0o755 })
    const runner = recordingRunner()
    const command = userCommand(commandFile({ run: { program: path } }), runner)
    chmodSync(path, 0o777)
    assert.equal((await runCommand(command, { word: 'x' }))['rule'], 'program/owner')
    chmodSync(path, 0o755)
    assert.equal((await runCommand(command, { word: 'x' }))['text'], 'hello')
    assert.deepEqual(runner.runs[0]?.readOnlyPaths, [path])
  })
})

describe('a module', () => {
  /** Starts what a runner was asked to start, without a sandbox. */
  const spawned = recordingRunner((run) => {
    const { stdout, status } = spawnSync(run.program, run.arguments, { input: run.input, env: {} })
    return { stdout, exitCode: status }
  })
  const call = async (text: string, value: string, folder: string): Promise<unknown> => {
    const result = await runCommand(moduleCommand(text, { folder, programs: spawned }), { value })
    return result['value'] ?? result['rule']
  }

  test('gets arguments and context, and gives its result', async (context) => {
    const folder = temporaryFolder(context)
    const echo = `export async function run({ value }, context) {
      console.log('not the result')
      return { value: value + ' ' + context.peer.split(':')[0] }
    }`
    assert.equal(await call(echo, 'hi', folder), 'hi spiffe')
    assert.equal(
      await call('export function run() { throw new Error("x") }', 'a', folder),
      'program/exit-1',
    )
    assert.equal(await call('export const nothing = 1', 'a', folder), 'program/exit-1')
    assert.equal(await call('export const run = () => undefined', 'a', folder), 'program/exit-1')
    assert.equal(
      await call('export const run = () => new Promise(() => {})', 'a', folder),
      'program/output-not-json',
    )
    assert.equal(
      await call('export const run = () => ({ other: 1 })', 'a', folder),
      'program/output-schema',
    )
  })

  test('needs more address space than its heap, and threads', async (context) => {
    const runner = recordingRunner(() => text('{"value":"x"}'))
    const folder = temporaryFolder(context)
    await runCommand(moduleCommand('', { folder, programs: runner }), { value: 'x' })
    const [run] = runner.runs
    assert.equal(run?.limits.maxMemoryBytes, (1024 + 128) * 1024 * 1024)
    assert.ok(run.arguments.includes('--max-old-space-size=128'))
  })
})
