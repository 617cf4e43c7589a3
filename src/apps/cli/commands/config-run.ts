import { isRefusal } from '../../../foundation/base/index.ts'
import { sealedKeyId } from '../../../trust/keys/index.ts'
import type { CommandInput } from '../command-line.ts'
import { configError } from '../config/load.ts'
import { type ConfigTarget, existingTarget, schemaText } from '../config/place.ts'
import { type ConfigReading, type ConfigSecret, readConfiguration } from '../config/read.ts'
import { isSecretPath } from '../config/schema.ts'
import { openSecret, sealedProblem, textOf, unopened, withValueKeys } from '../config/secrets.ts'
import { valueAt } from '../config/text.ts'
import type { ConfigProblem } from '../config/yaml.ts'
import type { CliContext } from '../context.ts'
import { EXIT, paint, printable, printFields, printJson } from '../output.ts'

/** `kosctl config get` */
export async function get(context: CliContext, input: CommandInput): Promise<number> {
  const target = existingTarget(context, input)
  const reading = readConfiguration(target.text, target.role)
  if (!reading.root && reading.problems.length > 0) throw configError(target.path, reading.problems)
  const [setting] = input.positionals
  if (setting === undefined) return printAll(context, target, reading)
  const path = setting.split('.')
  const secret = isSecretPath(path) && reading.secrets.find(({ name }) => name === path[1])
  if (secret) return printSecret(context, { target, secret }, input.flag('reveal'))
  const value = valueAt(reading.root, path)
  const { terminal } = context
  if (value === undefined) {
    terminal.err(`${paint(terminal, 'yellow', 'not set')}  ${printable(setting)}`)
    return EXIT.failed
  }
  if (terminal.isJson) printJson(terminal, { setting, value: hideSecrets(value, path) })
  else terminal.out(printable(shown(hideSecrets(value, path))))
  return EXIT.ok
}

async function printSecret(
  context: CliContext,
  { target, secret }: { readonly target: ConfigTarget; readonly secret: ConfigSecret },
  isRevealed: boolean,
): Promise<number> {
  const { terminal } = context
  const setting = secret.path.join('.')
  if (!isRevealed) {
    const key = sealedKeyId(secret.text)
    if (terminal.isJson) printJson(terminal, { setting, sealed: secret.isSealed, key })
    else terminal.out(hidden(secret.text))
    return EXIT.ok
  }
  const value = secret.isSealed ? reveal(target, secret) : secret.text
  if (terminal.isJson) printJson(terminal, { setting, value })
  else if (terminal.interactive) terminal.out(value.split('\n').map(printable).join('\n'))
  // To a file or program it goes byte for byte.
  else await terminal.write(Buffer.from(value))
  return EXIT.ok
}

function reveal(target: ConfigTarget, secret: ConfigSecret): string {
  return withValueKeys(target.unlock, target.folder, (keys) => {
    const opened = openSecret(keys, secret)
    if (isRefusal(opened)) throw configError(target.path, [unopened(secret, opened)])
    using plain = opened
    return textOf(plain)
  })
}

function printAll({ terminal }: CliContext, target: ConfigTarget, reading: ConfigReading): number {
  const value = valueAt(reading.root, []) ?? {}
  if (terminal.isJson) {
    printJson(terminal, { file: target.path, settings: hideSecrets(value, []) })
    return EXIT.ok
  }
  const fields = flatten(hideSecrets(value, []), [])
  printFields(terminal, [['file', target.path], ...fields])
  return EXIT.ok
}

function flatten(value: unknown, path: readonly string[]): readonly (readonly [string, string])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [[path.join('.'), shown(value)]]
  }
  return Object.entries(value).flatMap(([name, child]) => flatten(child, [...path, name]))
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(',')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Whatever stands at the place of a secret is none of the reader's business. */
function hideSecrets(value: unknown, path: readonly string[]): unknown {
  if (isSecretPath(path)) return hidden(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return path[0] === 'secrets' ? hidden(value) : value
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, child]) => [name, hideSecrets(child, [...path, name])]),
  )
}

function hidden(value: unknown): string {
  const key = typeof value === 'string' ? sealedKeyId(value) : undefined
  return key === undefined ? '(not sealed)' : `(sealed with key ${key})`
}

/** `kosctl config check` */
export function check(context: CliContext, input: CommandInput): number {
  const target = existingTarget(context, input)
  const reading = readConfiguration(target.text, target.role)
  const problems = [...reading.problems, ...secretProblems(target, reading)].toSorted(
    (a, b) => a.line - b.line,
  )
  const { terminal } = context
  const isValid = problems.length === 0
  if (terminal.isJson) printJson(terminal, { file: target.path, valid: isValid, problems })
  else if (isValid) {
    const { settings = {}, secrets } = reading
    const count = Object.keys(settings).filter((name) => name !== 'secrets').length
    terminal.out(
      `${paint(terminal, 'green', 'valid')}  ${target.path}: settings ${count}, secrets ${secrets.length}`,
    )
  } else printProblems(context, target.path, problems)
  return isValid ? EXIT.ok : EXIT.failed
}

function secretProblems(
  { folder, seal, file, unlock }: ConfigTarget,
  { secrets }: ConfigReading,
): readonly ConfigProblem[] {
  const open = file?.isOpen === true ? ', and others can read this file' : ''
  const plain = secrets
    .filter(({ isSealed }) => !isSealed)
    .map(({ line, column, name }) => {
      return { line, column, problem: `"${name}" is not sealed${open}: ${seal}` }
    })
  const sealed = secrets.filter(({ isSealed }) => isSealed)
  if (sealed.length === 0) return plain
  const unopenable = withValueKeys(unlock, folder, (keys) =>
    sealed.flatMap((secret) => sealedProblem(keys, secret) ?? []),
  )
  return [...plain, ...unopenable]
}

/** Prints problems as lines that editors find: `FILE:LINE:COLUMN  sentence`. */
export function printProblems(
  { terminal }: CliContext,
  path: string,
  problems: readonly ConfigProblem[],
): void {
  for (const { line, column, problem } of problems) {
    const at = paint(terminal, 'red', `${path}:${line}:${column}`)
    terminal.err(`${at}  ${printable(problem)}`)
  }
}

/** `kosctl config schema` */
export function schema({ terminal }: CliContext): number {
  terminal.out(schemaText().trimEnd())
  return EXIT.ok
}
