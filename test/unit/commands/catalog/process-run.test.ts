/** `process.run`: the file of allowed programs, its typed arguments, and what becomes of a run. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import {
  type AllowedPrograms,
  DEFAULT_PROGRAMS,
  type ProgramRun,
  readAllowedPrograms,
} from '../../../../src/commands/catalog/index.ts'
import { refuse } from '../../../../src/foundation/base/index.ts'
import { commandContext, PROGRAM_END, processCommand, runCommand } from '../../../kit/commands.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const userId = process.getuid?.() ?? 0
const CAT = '/usr/bin/cat'

function read(
  context: TestContext,
  content: unknown,
  secret: readonly string[] = [],
): AllowedPrograms {
  const file = join(temporaryFolder(context), 'programs.json')
  const text = typeof content === 'string' ? content : JSON.stringify(content)
  writeFileSync(file, text, { mode: 0o600 })
  return readAllowedPrograms(file, { userId, secretFolders: secret })
}

const reasonOf = (attempt: () => unknown): string => {
  try {
    attempt()
  } catch (error) {
    const { code, details } = error as { code: string; details: { reason: string } }
    assert.equal(code, 'KOS_CATALOG_PROGRAMS')
    return details.reason
  }
  assert.fail('it was accepted')
}

describe('the file of allowed programs', () => {
  test('places are filled in their order, optional and repeated ones too', async (context) => {
    const programs = read(context, {
      tool: {
        path: CAT,
        arguments: [
          { literal: 'show' },
          { enum: ['-a', '-b'], optional: true },
          { enum: ['-b', '-c'], optional: true },
          { pattern: '^[a-z]{1,8}$', maxLength: 4, repeat: 2 },
        ],
      },
    })
    const command = processCommand(programs)
    const fits = async (...vector: readonly string[]): Promise<boolean> =>
      (await runCommand(command, { program: 'tool', arguments: vector }))['exitCode'] === 0
    for (const vector of [
      ['show', 'x'],
      ['show', '-b', 'x'],
      ['show', '-b', '-b', 'x', 'y'],
      ['show', '-c', 'abcd'],
    ]) {
      assert.equal(await fits(...vector), true, vector.join(' '))
    }
    for (const vector of [
      [],
      ['show'],
      ['x'],
      ['show', '-c', '-a', 'x'],
      ['show', 'x', 'y', 'z'],
      ['show', 'abcde'],
      ['show', 'X'],
      ['show', 'x', '-a'],
    ]) {
      assert.equal(await fits(...vector), false, vector.join(' '))
    }
  })

  test('a bad file is refused with the place and the reason', (context) => {
    const program = (more: object): unknown => ({ tool: { path: CAT, ...more } })
    for (const [content, reason] of [
      ['{', /the file is no strict json: malformed/],
      ['{"a":{"path":"/usr/bin/cat"},"a":{"path":"/usr/bin/cat"}}', /no strict json/],
      [{ 'Bad name': { path: CAT } }, /not in the accepted form/],
      [program({ shell: true }), /not in the accepted form/],
      [program({ path: 'cat' }), /not in the accepted form at tool\.path/],
      [program({ path: '/usr/bin/no-such-program' }), /tool\.path does not exist/],
      [program({ path: '/usr/bin' }), /tool\.path is not a regular file/],
      [program({ arguments: [{ literal: 'a', enum: ['b'] }] }), /tool\.arguments\.0/],
      [program({ arguments: [{ pattern: '(a+)+' }] }), /tool\.arguments\.0 has a pattern that/],
      [program({ environment: { 'a=b': 'c' } }), /tool\.environment/],
      [program({ limits: { wallMs: 0 } }), /tool\.limits\.wallMs/],
      [program({ readOnlyPaths: ['/'] }), /readOnlyPaths/],
    ] as const) {
      assert.match(
        reasonOf(() => read(context, content)),
        reason,
      )
    }
  })

  test('neither the state of the daemon nor what others can change is shown', (context) => {
    const folder = temporaryFolder(context)
    const [state, open] = [join(folder, 'state'), join(folder, 'open')]
    for (const place of [state, open]) mkdirSync(place)
    chmodSync(open, 0o777)
    symlinkSync(state, join(folder, 'link'))
    const showing = (path: string): string =>
      reasonOf(() => read(context, { tool: { path: CAT, readOnlyPaths: [path] } }, [state]))
    for (const path of [state, folder, join(folder, 'link')]) {
      assert.match(showing(path), /would show the state of the daemon/)
    }
    assert.match(showing(open), /can be written by its group or by others/)
  })
})

describe('a run', () => {
  test('has the stricter limits of profile and program, and ends before its caller leaves', async (context) => {
    const limits = { maxProcesses: 3, maxOutputBytes: 100, wallMs: 99_999 }
    const programs = read(context, { tool: { path: CAT, maxInputBytes: 4, limits } })
    let seen: ProgramRun | undefined
    const command = processCommand(programs, (run) => {
      seen = run
      return Promise.resolve(PROGRAM_END)
    })
    await runCommand(command, { program: 'tool', input: 'abcd' })
    assert.deepEqual(
      [seen?.limits.maxProcesses, seen?.limits.maxOutputBytes, seen?.limits.wallMs],
      [3, 100, 9750],
    )
    assert.equal(Buffer.from(seen?.input ?? []).toString(), 'abcd')
    const more = await runCommand(command, { program: 'tool', input: 'abcde' })
    assert.equal(more['rule'], 'process/input')
  })

  test('output is text where it can be, else bytes; what is missing is in result and record', async () => {
    const facts: object[] = []
    const context = { ...commandContext(), note: (more: object) => void facts.push(more) }
    const end = { ...PROGRAM_END, stdout: Buffer.from('ü\n'), stderr: Uint8Array.of(0xff) }
    const command = processCommand(DEFAULT_PROGRAMS, () => Promise.resolve(end))
    const result = await runCommand(command, { program: 'uname' }, context)
    assert.equal(result['stdout'], 'ü\n')
    assert.ok(result['stderr'] instanceof Uint8Array)
    assert.deepEqual(result['sandbox'], { backend: 'bubblewrap', missing: ['landlock'] })
    assert.deepEqual(Object.assign({}, ...facts), {
      program: 'uname',
      sandbox: 'bubblewrap',
      missing: 'landlock',
      reason: 'exit',
      exitCode: 0,
    })
  })

  test('what did not start is a refusal', async () => {
    const refusal = refuse('KOS_SANDBOX_BUSY', 'sandbox/runs')
    const command = processCommand(DEFAULT_PROGRAMS, () => Promise.resolve(refusal))
    assert.deepEqual(await runCommand(command, { program: 'uname' }), { ...refusal })
  })

  test('output is streamed in order; a stream that breaks ends the program', async () => {
    const pieces: string[] = []
    const command = processCommand(DEFAULT_PROGRAMS, async (run) => {
      for (const text of ['a', 'b']) await run.onStdout?.(Buffer.from(text))
      return PROGRAM_END
    })
    const emit = (bytes: Uint8Array): Promise<void> => {
      pieces.push(Buffer.from(bytes).toString())
      return Promise.resolve()
    }
    const result = await runCommand(command, { program: 'uname' }, { ...commandContext(), emit })
    assert.deepEqual([pieces, result['stdout']], [['a', 'b'], ''])
    const gone = { ...commandContext(), emit: () => Promise.reject(new Error('gone')) }
    await assert.rejects(runCommand(command, { program: 'uname' }, gone), /gone/)
  })
})
