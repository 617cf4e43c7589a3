import { SECRET_NAME } from '../../../commands/catalog/index.ts'
import { isRefusal, Secret } from '../../../foundation/base/index.ts'
import type { ValueKeys } from '../../../trust/keys/index.ts'
import type { CommandInput } from '../command-line.ts'
import { configError } from '../config/load.ts'
import { configTarget, type ConfigTarget, existingTarget, storeConfig } from '../config/place.ts'
import { type ConfigReading, type ConfigSecret, readConfiguration } from '../config/read.ts'
import { rotate } from '../config/rotate.ts'
import { isSecretPath } from '../config/schema.ts'
import { openSecret, plainProblem, unopened, withNewValueKeys } from '../config/secrets.ts'
import { changeValues, type NewValue, removeValue, type Replacement } from '../config/text.ts'
import { findEntry, readYaml, plainOf } from '../config/yaml.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { lockFolder } from '../folder-lock.ts'
import { EXIT, paint, printable, printJson } from '../output.ts'
import { MAX_TYPED_BYTES } from '../passphrase-prompt.ts'
import { readSecretFile, secretOfInput } from '../secret-input.ts'

const COUNTS = 'kosd takes it into use at its next start'

/** `kosctl config set` */
export function set(context: CliContext, input: CommandInput): number {
  const target = configTarget(context, input)
  const reading = validReading(target)
  const [setting = '', value] = input.positionals
  const path = setting.split('.')
  const text = isSecretPath(path)
    ? withSecret(context, input, { target, path })
    : withValue(target, path, plainValue(input, value))
  storeConfig(context, target, text)
  const { terminal } = context
  if (terminal.isJson) printJson(terminal, { set: setting, file: target.path })
  else {
    const done = isSecretPath(path) ? 'sealed' : 'set'
    terminal.out(`${paint(terminal, 'green', done)}  ${setting} in ${target.path}: ${COUNTS}`)
  }
  warnOfPlain(
    context,
    target,
    reading.secrets.filter(({ name }) => name !== path[1]),
  )
  return EXIT.ok
}

/** `kosctl config unset` */
export function unset(context: CliContext, input: CommandInput): number {
  const target = existingTarget(context, input)
  const { root } = readYaml(target.text)
  const [setting = ''] = input.positionals
  const path = setting.split('.')
  const { terminal } = context
  if (!findEntry(root, path)) {
    terminal.err(`${paint(terminal, 'yellow', 'not set')}  ${printable(setting)}`)
    return EXIT.failed
  }
  // It may be what is wrong with the file.
  storeConfig(context, target, removeValue(target.text, path))
  if (terminal.isJson) printJson(terminal, { unset: setting, file: target.path })
  else terminal.out(`${paint(terminal, 'green', 'unset')}  ${setting} in ${target.path}: ${COUNTS}`)
  return EXIT.ok
}

/** What has problems already is not changed by more. */
function validReading(target: ConfigTarget): ConfigReading {
  const reading = readConfiguration(target.text, target.role)
  if (!reading.settings) throw configError(target.path, reading.problems)
  return reading
}

function plainValue(input: CommandInput, value: string | undefined): string {
  if (value === undefined || input.isGiven('value-file')) {
    const reason = 'give the value behind the setting; only secrets are read from elsewhere'
    throw cliErrors.error('KOS_CLI_USAGE', { reason })
  }
  return value
}

/** The text with a value that fits: as it is, as YAML, or as a list of what commas part. */
function withValue(target: ConfigTarget, path: readonly string[], given: string): string {
  const isName = path.every((name) => /^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name))
  if (!isName) throw cliErrors.error('KOS_CLI_USAGE', { reason: 'a setting is like listen' })
  const reasons: string[] = []
  for (const value of meanings(given)) {
    const text = changeValues(target.text, [{ path, value }])
    const { problems } = readConfiguration(text, target.role)
    const [first] = problems
    if (!first) return text
    reasons.push(first.problem)
  }
  // What is wrong with the meaning that fits best; of another kind are the others.
  const reason = reasons.find((text) => !OTHER_KIND.test(text)) ?? reasons[0] ?? ''
  throw cliErrors.error('KOS_CLI_USAGE', { reason })
}

const OTHER_KIND = / must be (?:a text|a number|a list|a map|true or false)/

function meanings(given: string): readonly NewValue[] {
  const { root } = readYaml(`value: ${given}\n`)
  const entry = findEntry(root, ['value'])
  const read = entry && plainOf(entry.value)
  const others: NewValue[] = []
  if (typeof read === 'boolean' || typeof read === 'number') others.push(read)
  if (Array.isArray(read) && read.every((item) => typeof item === 'string')) others.push(read)
  return [...others, given, given.split(',').map((part) => part.trim())]
}

function withSecret(
  context: CliContext,
  input: CommandInput,
  { target, path }: { readonly target: ConfigTarget; readonly path: readonly string[] },
): string {
  if (!SECRET_NAME.test(path[1] ?? '')) {
    const reason = 'the name of a secret is of lower-case letters, digits, "-" and "_"'
    throw cliErrors.error('KOS_CLI_USAGE', { reason })
  }
  using plain = readSecret(context, input, path.join('.'))
  const problem = plainProblem(plain)
  if (problem !== undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: `the secret ${problem}` })
  }
  const value = sealing(target, (keys) => keys.seal(path, plain))
  const text = changeValues(target.text, [{ path, value }])
  const { problems } = readConfiguration(text, target.role)
  if (problems.length > 0) throw configError(target.path, problems)
  return text
}

function readSecret(context: CliContext, input: CommandInput, setting: string): Secret {
  const [, word] = input.positionals
  const file = input.text('value-file')
  if (word !== undefined && word !== '-') {
    const reason = 'a secret is no argument: leave it out and type it, or use - or --value-file'
    throw cliErrors.error('KOS_CLI_USAGE', { reason })
  }
  if (word === '-' || file === '-') return secretOfInput(context)
  if (file !== undefined) return readSecretFile(file)
  const typed = context.prompt?.(`value of ${setting}: `)
  if (typed && typed.length < MAX_TYPED_BYTES) return typed
  typed?.[Symbol.dispose]()
  const reason = typed ? 'too long to be typed' : 'no terminal to ask on'
  throw cliErrors.error('KOS_CLI_USAGE', { reason: `${reason}: use - or --value-file FILE` })
}

/** Runs work with keys of which one is current; the first one is made while no daemon runs. */
export function sealing<T>({ folder, unlock }: ConfigTarget, work: (keys: ValueKeys) => T): T {
  return withNewValueKeys(unlock, folder, (keys) => {
    if (keys.current === undefined) {
      using _lock = lockFolder(folder)
      keys.addKey()
    }
    return work(keys)
  })
}

/** `kosctl config encrypt` */
export function encrypt(context: CliContext, input: CommandInput): number {
  const target = existingTarget(context, input)
  const { secrets } = validReading(target)
  const plain = secrets.filter(({ isSealed }) => !isSealed)
  if (plain.length > 0) {
    const replacements = sealing(target, (keys) =>
      plain.map((secret) => sealPlain(keys, target, secret)),
    )
    storeConfig(context, target, changeValues(target.text, replacements))
  }
  const { terminal } = context
  const names = plain.map(({ name }) => name)
  if (terminal.isJson) printJson(terminal, { file: target.path, sealed: names })
  else if (names.length === 0) terminal.out(`nothing to seal  ${target.path}`)
  else terminal.out(`${paint(terminal, 'green', 'sealed')}  ${names.join(', ')} in ${target.path}`)
  if (names.length > 0 && target.file?.isOpen === true) {
    const warning = 'others could read the file: change these secrets where they are used'
    warn(context, warning)
  }
  return EXIT.ok
}

function sealPlain(keys: ValueKeys, target: ConfigTarget, secret: ConfigSecret): Replacement {
  const { path } = secret
  using plain = plainOfText(target, secret)
  return { path, value: keys.seal(path, plain) }
}

function plainOfText(target: ConfigTarget, { text, name, line, column }: ConfigSecret): Secret {
  const plain = Secret.take(Buffer.from(text))
  const problem = plainProblem(plain)
  if (problem === undefined) return plain
  plain[Symbol.dispose]()
  throw configError(target.path, [{ line, column, problem: `"${name}" ${problem}` }])
}

/** `kosctl config rotate-key` */
export function rotateKey(context: CliContext, input: CommandInput): number {
  const target = existingTarget(context, input)
  const { secrets } = validReading(target)
  if (secrets.length === 0) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: 'there is no secret in this configuration' })
  }
  using _lock = lockFolder(target.folder)
  const key = withNewValueKeys(target.unlock, target.folder, (keys) => {
    using opened = new DisposableStack()
    // Before there is another key: one that does not open stops everything.
    const plain = secrets.map((secret) => {
      return { path: secret.path, value: opened.use(openOrPlain(keys, target, secret)) }
    })
    rotate(keys, {
      reseal: () => {
        const sealed = plain.map(({ path, value }) => ({ path, value: keys.seal(path, value) }))
        return changeValues(target.text, sealed)
      },
      write: (text) => storeConfig(context, target, text),
    })
    return keys.current
  })
  const { terminal } = context
  if (terminal.isJson) {
    printJson(terminal, { file: target.path, key, sealed: secrets.map(({ name }) => name) })
  } else {
    terminal.out(
      `${paint(terminal, 'green', 'sealed anew')}  ${secrets.length} in ${target.path}, key ${key ?? ''}`,
    )
  }
  return EXIT.ok
}

function openOrPlain(keys: ValueKeys, target: ConfigTarget, secret: ConfigSecret): Secret {
  if (!secret.isSealed) return plainOfText(target, secret)
  const opened = openSecret(keys, secret)
  if (isRefusal(opened)) throw configError(target.path, [unopened(secret, opened)])
  return opened
}

function warnOfPlain(
  context: CliContext,
  { seal }: ConfigTarget,
  secrets: readonly ConfigSecret[],
): void {
  const plain = secrets.filter(({ isSealed }) => !isSealed)
  if (plain.length > 0) warn(context, `${plain.length} not sealed: ${seal}`)
}

function warn({ terminal }: CliContext, warning: string): void {
  if (terminal.isJson) terminal.err(JSON.stringify({ warning }))
  else terminal.err(`${paint(terminal, 'yellow', 'warning')}  ${warning}`)
}
