import {
  chownSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import {
  type FileProblem,
  readUserCommand,
  type UserDefinition,
} from '../../../commands/catalog/index.ts'
import { defaultCommandsFolder, secretFoldersOf, writePrivate } from '../../node/index.ts'
import { BUILTIN_WORDS } from '../builtin-words.ts'
import type { CommandInput } from '../command-line.ts'
import { type CliContext, stateFolder } from '../context.ts'
import { EXIT, paint, printable, printJson } from '../output.ts'

/** `kosctl commands validate` */
export function validate(context: CliContext, input: CommandInput): Promise<number> {
  const [file = ''] = input.positionals
  const { reading } = readCommand(context, file)
  const { problems } = reading
  if (input.flag('json')) {
    printJson(context.terminal, { file, valid: problems.length === 0, problems })
  } else printProblems(context, file, problems)
  if (problems.length > 0) return Promise.resolve(EXIT.failed)
  if (!input.flag('json')) context.terminal.out(`valid  ${printable(nameOf(reading))}`)
  return Promise.resolve(EXIT.ok)
}

/** `kosctl commands add` */
export function add(context: CliContext, input: CommandInput): Promise<number> {
  const [file = ''] = input.positionals
  const { terminal } = context
  const isJson = input.flag('json')
  const { reading, text } = readCommand(context, file)
  const { definition } = reading
  const folder = commandsFolder(context, input)
  const problems = definition ? placeProblems(definition, folder) : reading.problems
  if (!definition || problems.length > 0) {
    if (isJson) printJson(terminal, { file, valid: false, problems })
    else printProblems(context, file, problems)
    return Promise.resolve(EXIT.failed)
  }
  const { name, run } = definition.file
  makeFolder(folder)
  // The module first: the node reads it when it reads the file.
  if ('module' in run) place(join(folder, basename(run.module)), definition.moduleText ?? '')
  const target = join(folder, `${name}.json`)
  place(target, text)
  if (isJson) printJson(terminal, { name, file: target })
  else terminal.out(`added  ${printable(name)}: a running node takes it into use at once`)
  return Promise.resolve(EXIT.ok)
}

function readCommand(
  context: CliContext,
  file: string,
): { readonly text: string; readonly reading: ReturnType<typeof readUserCommand> } {
  const text = readFileSync(file, 'utf8')
  const { environment } = context
  const reading = readUserCommand(text, {
    folder: dirname(resolve(file)),
    userId: process.getuid?.() ?? 0,
    reserved: new Set(BUILTIN_WORDS.map(({ name }) => name)),
    secretFolders: secretFoldersOf([
      stateFolder(environment, 'node'),
      stateFolder(environment, 'authority'),
    ]),
  })
  return { text, reading }
}

function nameOf({ definition }: ReturnType<typeof readUserCommand>): string {
  return definition?.file.name ?? ''
}

function commandsFolder(context: CliContext, input: CommandInput): string {
  const state = input.text('state') ?? stateFolder(context.environment, 'node')
  return input.text('commands') ?? defaultCommandsFolder(state)
}

/** The module of another command is not overwritten by chance. */
function placeProblems({ file, moduleText }: UserDefinition, folder: string): FileProblem[] {
  if (!('module' in file.run)) return []
  const isReplaced = statSync(join(folder, `${file.name}.json`), { throwIfNoEntry: false })
  const path = join(folder, basename(file.run.module))
  const isTaken =
    !isReplaced &&
    statSync(path, { throwIfNoEntry: false }) !== undefined &&
    readFileSync(path, 'utf8') !== moduleText
  return isTaken
    ? [{ pointer: '/run/module', problem: 'is the name of another module in the folder' }]
    : []
}

/** Makes the folder in a state folder that is there: a wrong path is not made a right one. */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })) return
  mkdirSync(folder, { mode: 0o700 })
  giveTo(folder, dirname(folder))
}

/** What root makes for a daemon belongs to the daemon. */
function giveTo(path: string, like: string): void {
  const { uid, gid } = statSync(like)
  if (process.getuid?.() === 0 && uid !== 0) chownSync(path, uid, gid)
}

/** Puts a file in place as a whole, durably, and as the owner of the folder. */
function place(path: string, text: string): void {
  writePrivate(path, Buffer.from(text))
  giveTo(path, dirname(path))
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

function printProblems(
  { terminal }: CliContext,
  file: string,
  problems: readonly FileProblem[],
): void {
  if (problems.length === 0) return
  terminal.err(`${paint(terminal, 'red', 'invalid')}  ${printable(file)}`)
  for (const { pointer, problem } of problems) {
    terminal.err(`  ${printable(pointer || '/')}  ${printable(problem)}`)
  }
}
