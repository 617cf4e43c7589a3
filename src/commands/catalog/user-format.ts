import { z } from '../../foundation/base/index.ts'
import { isCommandName, type JsonSchema } from './command.ts'

/** Bounds that a command of a file gets where its file sets none. */
export const USER_LIMITS: Readonly<Record<keyof UserLimits, number>> = Object.freeze({
  timeoutMs: 10_000,
  concurrency: 4,
  maxArgumentBytes: 16_384,
  maxResultBytes: 65_536,
  maxStreamBytes: 1024 * 1024,
  cpuSeconds: 10,
  memoryMiB: 128,
  processes: 32,
})

/** The bounds of one command of a file. */
export interface UserLimits {
  readonly timeoutMs: number
  readonly concurrency: number
  readonly maxArgumentBytes: number
  readonly maxResultBytes: number
  /** Standard output of one run whose caller asked for a stream. */
  readonly maxStreamBytes: number
  /** Processor time of one run. */
  readonly cpuSeconds: number
  /** Memory of one process of a run; for a module, the heap of its objects. */
  readonly memoryMiB: number
  readonly processes: number
}

/** How secrets of a device are called, in its configuration and in command files. */
export const SECRET_NAME: RegExp = /^[a-z0-9][a-z0-9_-]{0,63}$/

/** Variables of a program: texts, and secrets of the device by their names. */
export type UserEnvironment = Readonly<Record<string, string | { readonly secret: string }>>

/** What programs and modules have in common. */
interface Told {
  /** Whether a caller is told what a run wrote to standard error. */
  readonly stderr: 'hidden' | 'result'
  readonly environment: UserEnvironment
}

/** A program and how it is spoken to. */
export interface ProgramSource extends Told {
  readonly program: string
  readonly arguments: readonly (string | readonly string[])[]
  readonly allowHyphen: readonly string[]
  /** Absolute paths that the program may read besides `/usr`. */
  readonly reads: readonly string[]
  readonly input: 'json' | 'none'
  readonly output: 'json' | 'text'
}

/** A JavaScript module beside the file. */
export interface ModuleSource extends Told {
  readonly module: string
}

/** A command as a file says it. */
export interface CommandFile {
  readonly $schema?: string | undefined
  readonly name: string
  readonly summary: string
  readonly description?: string | undefined
  readonly arguments: JsonSchema
  readonly result?: JsonSchema | undefined
  readonly positional: readonly string[]
  readonly permission: string
  readonly effects: 'read' | 'change'
  /** Standard output of a program is sent as it comes, to callers that ask for a stream. */
  readonly streams?: boolean | undefined
  readonly limits: UserLimits
  readonly examples: readonly {
    readonly purpose: string
    readonly arguments: Readonly<Record<string, unknown>>
    readonly result?: Readonly<Record<string, unknown>> | undefined
  }[]
  readonly run: ProgramSource | ModuleSource
}

const PLAIN = 'must hold no control characters'
const line = (max: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^\P{Cc}*$/u, PLAIN)
const argumentName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/, 'must be a name')
const absolutePath = line(1024).regex(/^\/(?!\/)/, 'must be an absolute path')
const bounded = (name: keyof UserLimits, max: number): z.ZodDefault<z.ZodInt> =>
  z.int().min(1).max(max).default(USER_LIMITS[name])
const name = z
  .string()
  .max(64)
  .regex(
    /^[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*){0,7}$/,
    'must be lower-case segments joined by dots',
  )
  .refine((text) => isCommandName(text) && !text.startsWith('fabric.'), {
    message: 'must not begin with "fabric.": those are between nodes and authority',
  })
const jsonObject = z.record(z.string().max(256), z.unknown())
const word = z
  .string()
  .max(1024)
  .regex(/^\P{Cc}*$/u, PLAIN)

const common = {
  $schema: z.string().max(512).optional().describe('Ignored; for editors'),
  name: name.describe('Lower-case segments joined by dots; the file is called NAME.json'),
  summary: line(120).describe('One line for lists'),
  description: line(2000).optional().describe('What it does, what it refuses and why'),
  arguments: jsonObject.describe('JSON Schema 2020-12 of the arguments: a closed object'),
  positional: z
    .array(argumentName)
    .max(32)
    .default([])
    .describe('Argument names in the order of the command line'),
  permission: name.describe('The permission that a manifest names'),
  effects: z
    .enum(['read', 'change'])
    .describe('"change": a durable record of the intent precedes every run'),
  limits: z
    .strictObject({
      timeoutMs: bounded('timeoutMs', 300_000),
      concurrency: bounded('concurrency', 64),
      maxArgumentBytes: bounded('maxArgumentBytes', 16_384),
      maxResultBytes: bounded('maxResultBytes', 1024 * 1024),
      maxStreamBytes: bounded('maxStreamBytes', 4 * 1024 * 1024),
      cpuSeconds: bounded('cpuSeconds', 300),
      memoryMiB: bounded('memoryMiB', 2048),
      processes: bounded('processes', 256),
    })
    .prefault({})
    .describe('Bounds of a call; the profile of the device can only lower them'),
  examples: z
    .array(
      z.strictObject({
        purpose: line(200),
        arguments: jsonObject,
        result: jsonObject.optional(),
      }),
    )
    .min(1)
    .max(16)
    .describe('Calls that fit the schemas'),
}
const result = jsonObject.describe('JSON Schema 2020-12 of the result: a closed object')
const stderr = z
  .enum(['hidden', 'result'])
  .default('hidden')
  .describe('"result": its end comes as the member "stderr", and its last line with a failure')
const streams = z
  .boolean()
  .default(false)
  .describe('Standard output is sent as it comes, to callers that ask for a stream')
/** Who chooses the program chooses what it loads; a variable must not do it behind the sandbox's back. */
const FIXED_VARIABLE = /^(?:PATH|HOME|LANG|LD_.*|NODE_.*)$/
const variable = z
  .string()
  .regex(/^[A-Z_][A-Z0-9_]{0,63}$/, 'must be a name such as API_KEY')
  .refine((text) => !FIXED_VARIABLE.test(text), {
    message: 'must not be PATH, HOME, LANG, or begin with LD_ or NODE_',
  })
const environment = z
  .record(variable, z.union([word, z.strictObject({ secret: z.string().regex(SECRET_NAME) })]))
  .refine((variables) => Object.keys(variables).length <= 32, { message: 'must be at most 32' })
  .default({})
  .describe('Variables: texts, or {"secret": NAME} for a secret of the configuration of the node')
const program = z.strictObject({
  program: absolutePath.describe('Absolute path of an executable file; never a shell line'),
  arguments: z
    .array(z.union([word, z.array(word).min(1).max(16)]))
    .max(64)
    .default([])
    .describe('Words; "{name}" stands for an argument; a list is left out when one is missing'),
  allowHyphen: z
    .array(argumentName)
    .max(32)
    .default([])
    .describe('Arguments whose values may begin with a hyphen'),
  reads: z
    .array(absolutePath)
    .max(16)
    .default([])
    .describe('Files and folders that it may read besides /usr'),
  input: z.enum(['json', 'none']).default('none').describe('What standard input carries'),
  output: z.enum(['json', 'text']).default('text').describe('How standard output is read'),
  environment,
  stderr,
})
const module = z.strictObject({
  module: z
    .string()
    .max(128)
    .regex(/^\.\/[A-Za-z0-9][A-Za-z0-9._-]*\.mjs$/, 'must be ./NAME.mjs, beside this file')
    .describe('A file beside this one: ./NAME.mjs, which exports run(arguments, context)'),
  environment,
  stderr,
})

/** The form of a file whose command is a program; its text output needs no result schema. */
export const programFileSchema: z.ZodType<CommandFile> = z.strictObject({
  ...common,
  streams,
  result: result.optional(),
  run: program,
})

/** The form of a file whose command is a module. */
export const moduleFileSchema: z.ZodType<CommandFile> = z.strictObject({
  ...common,
  result,
  run: module,
})

/** The JSON Schema of a command file, for editors. It is wider than what a node checks. */
export function commandFileJsonSchema(): JsonSchema {
  const form = z.strictObject({
    ...common,
    streams,
    result: result.optional(),
    run: z.union([program, module]),
  })
  return {
    ...z.toJSONSchema(form, { io: 'input' }),
    title: 'A command of kOS from a file',
  }
}
