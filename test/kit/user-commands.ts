/** Commands of files: a file as data, a folder, and a catalog that runs them. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import {
  type Command,
  type CommandSecrets,
  createUserCommand,
  type FileProblem,
  type ProgramResult,
  type ProgramRun,
  type ProgramRunner,
  readUserCommand,
  type UserCommandDeps,
} from '../../src/commands/catalog/index.ts'
import { nodeProgram } from '../../src/apps/node/user-commands.ts'
import { openSandbox } from './sandbox.ts'

type Json = Readonly<Record<string, unknown>>

export const USER_ID: number = process.getuid?.() ?? 0

/** A closed object schema whose properties are all required. */
export function objectSchema(
  properties: Json,
  required: readonly string[] = Object.keys(properties),
): Json {
  return { type: 'object', properties, required, additionalProperties: false }
}

/** A command file that works: it prints a word. */
export function commandFile(changes: Json = {}): Json {
  return {
    name: 'say.word',
    summary: 'Says a word',
    arguments: objectSchema({ word: { type: 'string', maxLength: 64 } }),
    positional: ['word'],
    permission: 'say',
    effects: 'read',
    examples: [{ purpose: 'Say hello.', arguments: { word: 'hello' }, result: { text: 'hello' } }],
    run: { program: '/usr/bin/printf', arguments: ['%s', '{word}'] },
    ...changes,
  }
}

/** Reads a file as a node does. */
export function readFile(file: unknown, folder = '/'): ReturnType<typeof readUserCommand> {
  const text = typeof file === 'string' ? file : JSON.stringify(file)
  return readUserCommand(text, {
    folder,
    userId: USER_ID,
    reserved: new Set(['calc']),
    secretFolders: ['/var/lib/kos'],
  })
}

/** Places of the problems of a file. */
export function pointersOf(file: unknown, folder?: string): readonly string[] {
  return readFile(file, folder).problems.map(({ pointer }: FileProblem) => pointer)
}

/** The command of a file; the runner is real or given. */
export function userCommand(
  file: unknown,
  programs: ProgramRunner,
  parts: Partial<UserCommandDeps> & { readonly folder?: string } = {},
): Command {
  const { folder, ...deps } = parts
  const { definition, problems } = readFile(file, folder)
  assert.ok(definition, JSON.stringify(problems))
  const { quota } = profileOf('SEC-2')
  assert.ok(quota)
  return createUserCommand(
    { programs, quota, nodeProgram: nodeProgram(), userId: USER_ID, ...deps },
    definition,
  )
}

/** The command of a module with the given text, which takes and gives `{ value }`. */
export function moduleCommand(
  text: string,
  at: {
    readonly folder: string
    readonly programs: ProgramRunner
    readonly changes?: Json
    readonly secrets?: CommandSecrets
  },
): Command {
  writeFileSync(join(at.folder, 'module.mjs'), text, { mode: 0o600 })
  const any = objectSchema({ value: { type: 'string' } })
  const file = commandFile({
    name: 'test.module',
    arguments: any,
    result: any,
    positional: ['value'],
    examples: [{ purpose: 'Call it.', arguments: { value: 'x' } }],
    run: { module: './module.mjs' },
    ...at.changes,
  })
  return userCommand(file, at.programs, { folder: at.folder, secrets: at.secrets })
}

/** A runner that keeps what it is asked to run and answers as it is told. */
export interface RecordingRunner extends ProgramRunner {
  readonly runs: readonly ProgramRun[]
}

/** Makes a runner that runs nothing. */
export function recordingRunner(
  answer: (run: ProgramRun) => Partial<ProgramResult> = () => ({}),
): RecordingRunner {
  const runs: ProgramRun[] = []
  return {
    missing: [],
    runs,
    run: (run) => {
      runs.push(run)
      return Promise.resolve({
        exitCode: 0,
        signal: null,
        reason: 'exit',
        stdout: Buffer.from('hello'),
        stderr: new Uint8Array(),
        truncated: false,
        durationMs: 1,
        ...answer(run),
      })
    },
  }
}

/**
 * The sandbox of this host; it ends with the test.
 *
 * @returns `undefined` when this host has none; the test was skipped with the reason
 */
export async function sandbox(context: TestContext): Promise<ProgramRunner | undefined> {
  return (await openSandbox(context))?.runner
}
