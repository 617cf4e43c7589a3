import { type KosError, type Refusal, z } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { type DataLimits, WIRE_SHAPE } from './data.ts'
import { catalogErrors } from './errors.ts'
import { declareBytes, type SchemaParser, schemaParser } from './quick-schema.ts'

/** A JSON Schema document. @see JSON Schema 2020-12 */
export type JsonSchema = Readonly<Record<string, unknown>>

/** Hard bounds of one command. */
export interface CommandLimits {
  /** Arguments in bytes, counted as deterministic CBOR; at most 16,384 fit into one call. */
  readonly maxArgumentBytes: number
  /**
   * Result in bytes, counted as deterministic CBOR; at most 16 MiB. For a command that streams also
   * all streamed bytes of a run together; at most 4 GiB.
   */
  readonly maxResultBytes: number
  /** Longest run in milliseconds; the caller and the profile can only shorten it. */
  readonly timeoutMs: number
  /** Runs at the same time, over all peers. */
  readonly concurrency: number
}

/** What a running command knows of its call. */
export interface CommandContext {
  /** Who calls, as proven by certificate and identity key. */
  readonly peer: PeerFacts
  readonly callId: string
  readonly traceId: string
  /** Time from the arrival of the call after which the caller no longer waits, in milliseconds. */
  readonly deadlineMs: number
  /** Aborted at the deadline, when nobody waits for the result any more, and at shutdown. */
  readonly signal: AbortSignal
  /**
   * Sends bytes to the caller before the result. Present when the command `streams` and this caller
   * asked for a stream; without it the command answers by its result alone.
   *
   * It resolves once the caller's credit took the bytes (the array may be reused then): a command
   * that awaits it runs as fast as its reader reads. It rejects when the call has ended, when one
   * piece is above 1 MiB, or when `maxResultBytes` is exceeded: let the error pass.
   *
   * @param bytes - raw, at most 1 MiB; no schema and no filter sees them
   */
  readonly emit?: ((bytes: Uint8Array) => Promise<void>) | undefined
  /**
   * Adds facts to the record of the call's end; of two with one name the later one stays. A record
   * holds at most 16, a text 512 characters.
   *
   * **Security:** never a secret, and no text that the caller chose.
   */
  note?(facts: RecordFacts): void
}

/** What a command wants to have recorded beside what every record says. */
export type RecordFacts = Readonly<Record<string, string | number | boolean>>

/** A call that works: shown in the documentation, and run by a test. */
export interface CommandExample {
  /** What the call is for, in one sentence. */
  readonly purpose: string
  readonly arguments: Readonly<Record<string, unknown>>
  /** The result, where it does not depend on the device. */
  readonly result?: Readonly<Record<string, unknown>>
}

/**
 * One command as data. The catalog derives the JSON Schemas; execution enforces limits.
 *
 * **Security:** `argumentSchema` must be a strict and bounded object; a result field that is not in
 * `resultSchema` never reaches a peer.
 */
export interface CommandDefinition<A, R> {
  /** Lower-case segments joined by dots, at most 64 characters. */
  readonly name: string
  /** `rpc`: decided by manifests. `fabric`: between nodes and authority, decided by a frozen table. */
  readonly domain: 'rpc' | 'fabric'
  /** One line for lists. */
  readonly summary: string
  /** What it does, what it refuses and why, in a few sentences. */
  readonly description: string
  readonly argumentSchema: z.ZodType<A>
  readonly resultSchema: z.ZodType<R>
  /** Argument names in the order in which a command line gives them. */
  readonly positional: readonly string[]
  /** The permission that a manifest names. */
  readonly permission: string
  /** `change`: a durable intent record precedes every run. */
  readonly effects: 'read' | 'change'
  /** Whether a run may send bytes before its result, see {@link CommandContext.emit}. */
  readonly streams?: boolean
  readonly limits: CommandLimits
  readonly examples: readonly CommandExample[]
  /** Brings arguments into the one form that policy rules compare; no I/O. */
  canonicalise?(parsed: A): A | Refusal
  /** The command's own rule on canonical arguments, asked after every rule of policy; no I/O. */
  confine?(canonical: A): Refusal | undefined
  /** Does the work. A returned refusal is an expected failure; whatever it throws is masked. */
  run(context: CommandContext, canonical: A): Promise<R | Refusal> | R | Refusal
  /** Reduces a result to what this peer may see; runs after the result schema. */
  filterResult?(result: R, context: CommandContext): R
}

/** A checked definition whose types are erased, as the catalog keeps it. */
export interface Command extends CommandDefinition<unknown, unknown> {
  readonly argumentJsonSchema: JsonSchema
  readonly resultJsonSchema: JsonSchema
  /** What the schema of arguments makes of a value, or `undefined`. */
  readonly parseArguments: SchemaParser
  /** The same for results. */
  readonly parseResult: SchemaParser
  /** Bounds of a result on the wire. */
  readonly resultShape: DataLimits
}

const NAME = /^[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*){0,7}$/
const MAX_NAME_LENGTH = 64
const MAX_CALL_ARGUMENT_BYTES = 16_384
const MAX_RESULT_BYTES = 16 * 1024 * 1024
const MAX_STREAM_BYTES = 4 * 1024 * 1024 * 1024
const MAX_TIMEOUT_MS = 300_000

/** Whether a text has the form of a command or permission name. */
export function isCommandName(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text)
}

/**
 * Checks a definition and derives its JSON Schemas.
 *
 * @param definition - the command as data
 * @returns the frozen command for {@link createCatalog}
 * @throws {@link KosError} KOS_CATALOG_NAME when a name is malformed or in the wrong domain;
 * KOS_CATALOG_DEFINITION when limits, positional arguments or examples contradict the schemas
 * @example
 * ```ts
 * import { defineCommand } from 'kos/catalog'
 * import { z } from 'kos/base'
 * defineCommand({
 *   name: 'double',
 *   domain: 'rpc',
 *   summary: 'Doubles a number',
 *   description: 'Returns twice the number.',
 *   argumentSchema: z.strictObject({ n: z.number() }),
 *   resultSchema: z.strictObject({ n: z.number() }),
 *   positional: ['n'],
 *   permission: 'double',
 *   effects: 'read',
 *   limits: { maxArgumentBytes: 64, maxResultBytes: 64, timeoutMs: 1000, concurrency: 16 },
 *   examples: [{ purpose: 'Double two.', arguments: { n: 2 }, result: { n: 4 } }],
 *   run: (_context, { n }) => ({ n: 2 * n }),
 * }).name // 'double'
 * ```
 */
export function defineCommand<A, R>(definition: CommandDefinition<A, R>): Command {
  checkNames(definition)
  checkLimits(definition)
  const argumentJsonSchema = jsonSchema(definition.argumentSchema, 'input')
  const resultJsonSchema = jsonSchema(definition.resultSchema, 'output')
  checkSchemas(definition, argumentJsonSchema, resultJsonSchema)
  checkExamples(definition)
  return Object.freeze({
    ...definition,
    limits: Object.freeze({ ...definition.limits }),
    positional: Object.freeze([...definition.positional]),
    argumentJsonSchema,
    resultJsonSchema,
    parseArguments: schemaParser(definition.argumentSchema),
    parseResult: schemaParser(definition.resultSchema),
    resultShape: Object.freeze({
      ...WIRE_SHAPE,
      // The limit of a command that streams counts its bytes; its result is bounded as any other.
      maxBytes: Math.min(definition.limits.maxResultBytes, MAX_RESULT_BYTES),
      refuseControls: false,
    }),
  })
}

function contradiction(command: string, field: string, cause?: unknown): KosError {
  return catalogErrors.error('KOS_CATALOG_DEFINITION', { command, field }, cause)
}

function checkNames({ name, domain, permission }: CommandDefinition<unknown, unknown>): void {
  const isFabric = name.startsWith('fabric.')
  if (!isCommandName(name) || !isCommandName(permission) || isFabric !== (domain === 'fabric')) {
    throw catalogErrors.error('KOS_CATALOG_NAME', { name, permission, domain })
  }
}

function checkLimits({ name, limits, streams }: CommandDefinition<unknown, unknown>): void {
  const bounds: Readonly<Record<keyof CommandLimits, number>> = {
    maxArgumentBytes: MAX_CALL_ARGUMENT_BYTES,
    maxResultBytes: streams ? MAX_STREAM_BYTES : MAX_RESULT_BYTES,
    timeoutMs: MAX_TIMEOUT_MS,
    concurrency: 65_536,
  }
  for (const [field, most] of Object.entries(bounds)) {
    const value = limits[field as keyof CommandLimits]
    if (!Number.isInteger(value) || value < 1 || value > most) {
      throw contradiction(name, `limits.${field}`)
    }
  }
}

function checkSchemas(
  { name, positional }: CommandDefinition<unknown, unknown>,
  argumentSchema: JsonSchema,
  resultSchema: JsonSchema,
): void {
  const known = propertiesOf(argumentSchema)
  // An open argument object would let a typing error pass unseen.
  if (!known || argumentSchema['additionalProperties'] !== false) {
    throw contradiction(name, 'argumentSchema')
  }
  const results = propertiesOf(resultSchema)
  // A result with a field `allow` could be taken for a refusal.
  if (!results || Object.hasOwn(results, 'allow')) throw contradiction(name, 'resultSchema')
  const unique = new Set(positional).size === positional.length
  if (!unique || !positional.every((argument) => Object.hasOwn(known, argument))) {
    throw contradiction(name, 'positional')
  }
}

function propertiesOf(schema: JsonSchema): object | undefined {
  const properties = schema['properties']
  return typeof properties === 'object' && properties !== null ? properties : undefined
}

function checkExamples(definition: CommandDefinition<unknown, unknown>): void {
  const { name, examples, argumentSchema, resultSchema } = definition
  if (examples.length === 0) throw contradiction(name, 'examples')
  for (const example of examples) {
    const fits =
      argumentSchema.safeParse(example.arguments).success &&
      (example.result === undefined || resultSchema.safeParse(example.result).success)
    if (!fits) throw contradiction(name, 'examples')
  }
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  return Object.freeze({ ...z.toJSONSchema(schema, { io, unrepresentable: 'any' }) })
}

/**
 * The schema of a byte array: raw bytes on the wire, base64 text in JSON Schema.
 *
 * @param maxBytes - longest array accepted
 */
export function bytesSchema(maxBytes: number): z.ZodType<Uint8Array> {
  const schema = z
    .instanceof(Uint8Array)
    .refine((bytes) => bytes.length <= maxBytes)
    .meta({ type: 'string', contentEncoding: 'base64', maxBytes })
  return declareBytes(schema, maxBytes)
}
