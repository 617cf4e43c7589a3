import { readFileSync, realpathSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'
import { isRefusal, parseJson, z } from '../../foundation/base/index.ts'
import type { JsonSchema } from './command.ts'
import { WIRE_SHAPE } from './data.ts'
import {
  type CommandFile,
  moduleFileSchema,
  programFileSchema,
  type ProgramSource,
} from './user-format.ts'
import { escapePointer, type FileProblem, readObjectSchema, SCHEMA_BOUNDS } from './user-schema.ts'
import type { CommandSecrets } from './user-secrets.ts'
import { checkTemplate, type Template } from './user-template.ts'
import { trustProblem } from './user-trust.ts'

/** Largest command file, in bytes. */
export const MAX_COMMAND_FILE_BYTES: number = 64 * 1024
/** Largest module, in bytes. */
export const MAX_MODULE_BYTES: number = 256 * 1024
/** Longest JSON text of a schema: it crosses the wire as one text. */
const MAX_SCHEMA_TEXT: number = WIRE_SHAPE.maxTextBytes

const MAX_FORM_PROBLEMS = 32

/** What a file is checked against beside its own form. */
export interface FileChecks {
  /** Folder in which `./module.mjs` is looked for. */
  readonly folder: string
  /** User of the daemon. */
  readonly userId: number
  /** Names that are taken: the built-in commands. */
  readonly reserved: ReadonlySet<string>
  /** Folders that no command may read, and nothing that contains them: the state of daemons. */
  readonly secretFolders: readonly string[]
  /** Secrets that the device has; absent: names of secrets are not checked. */
  readonly secrets?: Pick<CommandSecrets, 'has'> | undefined
}

/** A command of a file, with everything it needs to run. */
export interface UserDefinition {
  readonly file: CommandFile
  readonly argumentSchema: z.ZodType<Readonly<Record<string, unknown>>>
  readonly resultSchema: z.ZodType<Readonly<Record<string, unknown>>>
  /** Text of the module as it was read: a call never meets a module that changed meanwhile. */
  readonly moduleText: string | undefined
}

/** A command, or everything that is wrong with its file. */
export type UserReading =
  | { readonly definition: UserDefinition; readonly problems: readonly [] }
  | { readonly definition: undefined; readonly problems: readonly FileProblem[] }

/**
 * Reads a command file strictly: form, schemas, template, examples, and who could change what it runs.
 *
 * @param text - content of the file
 * @param checks - see {@link FileChecks}
 * @returns the definition, or every problem found with its place
 */
export function readUserCommand(text: string, checks: FileChecks): UserReading {
  const parsed = parseJson(text, MAX_COMMAND_FILE_BYTES)
  if (isRefusal(parsed))
    return failed([
      { pointer: '', problem: `is not strict ${parsed.rule.replace('json', 'JSON')}` },
    ])
  const file = readForm(parsed.value)
  if (Array.isArray(file)) return failed([...file, ...schemaProblems(parsed.value)])
  const problems: FileProblem[] = []
  const { argumentSchema, resultSchema } = readSchemas(file, problems)
  if (checks.reserved.has(file.name)) {
    problems.push({ pointer: '/name', problem: 'is the name of a built-in command' })
  }
  checkSecrets(file, checks, problems)
  let moduleText: string | undefined
  // What follows rests on the schemas.
  if (problems.length === 0) {
    const schema = z.toJSONSchema(argumentSchema, { io: 'input' })
    checkPositional(file, schema, problems)
    checkExamples(file, { argumentSchema, resultSchema }, problems)
    if ('module' in file.run) {
      moduleText = readModule(join(checks.folder, file.run.module), checks, problems)
    } else {
      checkTemplate(templateOf(file.run), schema, problems)
      checkProgram(file.run, checks, problems)
    }
  }
  if (problems.length > 0) return failed(problems)
  return { definition: { file, argumentSchema, resultSchema, moduleText }, problems: [] }
}

/** The template of a program's words. */
export function templateOf(run: ProgramSource): Template {
  return { entries: run.arguments, allowHyphen: run.allowHyphen }
}

function failed(problems: readonly FileProblem[]): UserReading {
  return { definition: undefined, problems }
}

function readForm(value: unknown): CommandFile | FileProblem[] {
  const isModule =
    typeof value === 'object' &&
    value !== null &&
    'run' in value &&
    typeof value.run === 'object' &&
    value.run !== null &&
    'module' in value.run
  const form = (isModule ? moduleFileSchema : programFileSchema).safeParse(value)
  if (form.success) return form.data
  return form.error.issues.slice(0, MAX_FORM_PROBLEMS).flatMap((issue) => {
    const pointer = issue.path.map((name) => `/${escapePointer(String(name))}`).join('')
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        pointer: `${pointer}/${escapePointer(key)}`,
        problem: 'is not known here',
      }))
    }
    const isMissing = issue.message.endsWith('received undefined')
    return [{ pointer, problem: isMissing ? 'is missing' : sentenceEnd(issue.message) }]
  })
}

/** What zod says, as what follows a place. */
function sentenceEnd(message: string): string {
  const text = message.slice(0, 200).replaceAll(/\p{Cc}/gu, '?')
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`
}

/** The problems of the schemas of a file whose form is wrong elsewhere: all are told at once. */
function schemaProblems(value: unknown): readonly FileProblem[] {
  const problems: FileProblem[] = []
  if (typeof value !== 'object' || value === null) return problems
  for (const [name, schema] of Object.entries(value)) {
    if (name !== 'arguments' && name !== 'result') continue
    const { maxLength } = SCHEMA_BOUNDS
    if (typeof schema === 'object') {
      readObjectSchema(schema, { pointer: `/${name}`, maxLength }, problems)
    }
  }
  return problems
}

function readSchemas(
  file: CommandFile,
  problems: FileProblem[],
): Pick<UserDefinition, 'argumentSchema' | 'resultSchema'> {
  const { run } = file
  const isText = 'program' in run && run.output === 'text'
  const maxLength = WIRE_SHAPE.maxTextBytes
  const argumentSchema = readObjectSchema(
    file.arguments,
    { pointer: '/arguments', maxLength: SCHEMA_BOUNDS.maxLength },
    problems,
  )
  if (!file.result && !isText) problems.push({ pointer: '/result', problem: 'is missing' })
  const isTold = run.stderr === 'result'
  const written = file.result ?? (isTold ? TOLD_TEXT_RESULT : TEXT_RESULT)
  const resultSchema = readObjectSchema(written, { pointer: '/result', maxLength }, problems)
  if (problems.length === 0) {
    checkSchemaTexts({ arguments: argumentSchema, result: resultSchema }, problems)
    checkResult(z.toJSONSchema(resultSchema, { io: 'output' }), { isText, isTold }, problems)
    if (isTold) checkStderr(written, problems)
    if (file.streams) checkStream({ isText, written, resultSchema }, problems)
  }
  // The root of both is an object schema: what it accepts is a record.
  return {
    argumentSchema: argumentSchema as UserDefinition['argumentSchema'],
    resultSchema: resultSchema as UserDefinition['resultSchema'],
  }
}

/** The closed result of a program that writes text, where its file says none. */
const textResult = (...names: readonly string[]): JsonSchema =>
  Object.freeze({
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
    required: names,
    additionalProperties: false,
  })
const TEXT_RESULT = textResult('text')
const TOLD_TEXT_RESULT = textResult('text', 'stderr')
const TEXT_ANNOTATIONS: ReadonlySet<string> = new Set(['title', 'description', '$comment'])

function checkSchemaTexts(
  schemas: Readonly<Record<'arguments' | 'result', z.ZodType>>,
  problems: FileProblem[],
): void {
  for (const [name, schema] of Object.entries(schemas)) {
    const io = name === 'arguments' ? 'input' : 'output'
    const text = JSON.stringify(z.toJSONSchema(schema, { io }))
    if (Buffer.byteLength(text) <= MAX_SCHEMA_TEXT) continue
    problems.push({ pointer: `/${name}`, problem: `is larger than ${MAX_SCHEMA_TEXT} bytes` })
  }
}

function checkResult(
  schema: JsonSchema,
  { isText, isTold }: { readonly isText: boolean; readonly isTold: boolean },
  problems: FileProblem[],
): void {
  const properties = Object.entries(schema['properties'] as Readonly<Record<string, unknown>>)
  if (properties.some(([name]) => name === 'allow')) {
    problems.push({ pointer: '/result/properties/allow', problem: 'is a name that is taken' })
  }
  const texts = properties.filter(([name]) => !isTold || name !== 'stderr')
  const isOneText =
    texts.length === 1 &&
    texts.every(([, member]) => (member as { readonly type?: unknown }).type === 'string')
  if (!isText || isOneText) return
  const problem = `of "output": "text" has one member${isTold ? ' beside stderr' : ''}, a text`
  problems.push({ pointer: '/result', problem })
}

/** Nobody knows what stands in it: a bound would make a failure of a run that went well. */
function checkStderr(result: JsonSchema, problems: FileProblem[]): void {
  const properties = result['properties'] as Readonly<Record<string, object | undefined>>
  const member = properties['stderr'] ?? {}
  const isOpenText =
    'type' in member &&
    member.type === 'string' &&
    Object.keys(member).every((name) => name === 'type' || TEXT_ANNOTATIONS.has(name))
  if (isOpenText) return
  const problem = 'is a text without bounds, where "stderr": "result"'
  problems.push({ pointer: '/result/properties/stderr', problem })
}

function checkStream(
  command: {
    readonly isText: boolean
    readonly written: JsonSchema
    readonly resultSchema: z.ZodType
  },
  problems: FileProblem[],
): void {
  const { isText, written, resultSchema } = command
  if (!isText) {
    problems.push({ pointer: '/streams', problem: 'is for programs whose output is text' })
    return
  }
  const names = Object.keys(written['properties'] as object)
  const empty = Object.fromEntries(names.map((name) => [name, '']))
  if (resultSchema.safeParse(empty).success) return
  const problem = 'refuses the empty text that stands there once the output was streamed'
  problems.push({ pointer: '/result', problem })
}

function checkPositional(
  { positional }: CommandFile,
  schema: JsonSchema,
  problems: FileProblem[],
): void {
  const properties = schema['properties'] as Readonly<
    Record<string, { readonly type?: unknown; readonly items?: { readonly type?: unknown } }>
  >
  positional.forEach((name, index) => {
    const pointer = `/positional/${index}`
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined
    const type = property ? property.type : 'missing'
    // The last one may take all the words that are left.
    const takesRest = index === positional.length - 1 && property?.items?.type === 'string'
    if (type === 'missing') problems.push({ pointer, problem: 'is not the name of an argument' })
    if (type === 'object' || (type === 'array' && !takesRest)) {
      const problem = 'is neither a plain value nor, as the last one, a list of texts'
      problems.push({ pointer, problem })
    }
    if (positional.indexOf(name) !== index) problems.push({ pointer, problem: 'is repeated' })
  })
}

function checkExamples(
  { examples }: CommandFile,
  schemas: Pick<UserDefinition, 'argumentSchema' | 'resultSchema'>,
  problems: FileProblem[],
): void {
  examples.forEach((example, index) => {
    const { argumentSchema, resultSchema } = schemas
    if (!argumentSchema.safeParse(example.arguments).success) {
      const pointer = `/examples/${index}/arguments`
      problems.push({ pointer, problem: 'does not fit the schema of the arguments' })
    }
    if (example.result !== undefined && !resultSchema.safeParse(example.result).success) {
      const pointer = `/examples/${index}/result`
      problems.push({ pointer, problem: 'does not fit the schema of the result' })
    }
  })
}

function checkSecrets(
  { run: { environment } }: CommandFile,
  { secrets }: FileChecks,
  problems: FileProblem[],
): void {
  for (const [variable, value] of Object.entries(environment)) {
    if (typeof value === 'string' || !secrets || secrets.has(value.secret)) continue
    const problem = `is not in the configuration: kosctl config set secrets.${value.secret}`
    problems.push({ pointer: `/run/environment/${variable}/secret`, problem })
  }
}

function readModule(path: string, checks: FileChecks, problems: FileProblem[]): string | undefined {
  const pointer = '/run/module'
  const problem = trustProblem(path, checks.userId, 'file')
  if (problem !== undefined) {
    problems.push({ pointer, problem })
    return undefined
  }
  const bytes = readFileSync(path)
  if (bytes.length <= MAX_MODULE_BYTES) return bytes.toString('utf8')
  problems.push({ pointer, problem: `is larger than ${MAX_MODULE_BYTES} bytes` })
  return undefined
}

function checkProgram(run: ProgramSource, checks: FileChecks, problems: FileProblem[]): void {
  const problem = trustProblem(run.program, checks.userId, 'file') ?? notExecutable(run.program)
  if (problem !== undefined) problems.push({ pointer: '/run/program', problem })
  const paths = [{ path: run.program, pointer: '/run/program' }]
  run.reads.forEach((path, index) => paths.push({ path, pointer: `/run/reads/${index}` }))
  for (const { path, pointer } of paths) {
    const fault = readFault(path, checks.secretFolders)
    if (fault !== undefined) problems.push({ pointer, problem: fault })
  }
}

function notExecutable(path: string): string | undefined {
  return (statSync(path).mode & 0o111) === 0 ? 'is not executable' : undefined
}

/** Whether a path would show secrets, or what no sandbox may show. */
function readFault(path: string, secretFolders: readonly string[]): string | undefined {
  let real: string
  try {
    real = realpathSync(path)
  } catch {
    return 'does not exist'
  }
  // Below /usr links are the sandbox's to follow; elsewhere it shows what is named, and nothing else.
  if (real !== path && !path.startsWith('/usr/')) return `is not its real path, which is ${real}`
  if (['/', '/proc', '/dev', '/run'].includes(real)) return 'is not shown to commands'
  const meets = secretFolders.some(
    (folder) => real === folder || isBelow(folder, real) || isBelow(real, folder),
  )
  return meets ? 'holds or lies in the state of a daemon' : undefined
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)
}
