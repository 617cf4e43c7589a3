import { isRefusal, refuse, type Refusal, validate } from '../../foundation/base/index.ts'
import { type Authorised, mintValidated, type Validated } from '../../foundation/pipeline/index.ts'
import { type Command, isCommandName } from './command.ts'
import { type DataLimits, DataMeter, freezeData } from './data.ts'
import { catalogErrors } from './errors.ts'

/** The closed list of commands of one daemon. */
export interface Catalog {
  /** The command of a name, or `undefined`: such a call is refused. */
  get(name: string): Command | undefined
  /** All commands by name. */
  list(): readonly Command[]
  /**
   * Mints {@link Validated}: sanitises, applies the schema, canonicalises, asks the policy rules that
   * look at argument values, then the command's own confinement.
   *
   * @param command - the command of this catalog that the call names
   * @param authorised - what policy allowed
   * @returns the stage, or a refusal: KOS_CATALOG_ARGUMENTS, the refusal of a policy rule, or the
   * command's own
   * @throws {@link KosError} KOS_CATALOG_DEFINITION when the command is not the one that was called
   */
  validate(command: Command, authorised: Authorised): Validated | Refusal
}

/** Depth, items and text length as on the wire. @see docs/protocol.md: Limits */
const ARGUMENT_SHAPE = {
  maxDepth: 16,
  maxItems: 4096,
  maxTextBytes: 16_384,
  refuseControls: true,
} as const

/**
 * Collects commands into a closed catalog.
 *
 * @param commands - made by {@link defineCommand}
 * @returns the frozen catalog, sorted by name
 * @throws {@link KosError} KOS_CATALOG_NAME for a malformed name, KOS_CATALOG_DUPLICATE for a second
 * command of the same name
 * @example
 * ```ts
 * import { calcCommand, createCatalog } from 'kos/catalog'
 * createCatalog([calcCommand]).get('calc')?.effects // 'read'
 * ```
 */
export function createCatalog(commands: readonly Command[]): Catalog {
  const byName = new Map<string, Entry>()
  for (const command of commands) {
    const { name } = command
    if (!isCommandName(name)) throw catalogErrors.error('KOS_CATALOG_NAME', { name })
    if (byName.has(name)) throw catalogErrors.error('KOS_CATALOG_DUPLICATE', { name })
    const limits = { ...ARGUMENT_SHAPE, maxBytes: command.limits.maxArgumentBytes }
    byName.set(name, { command, limits: Object.freeze(limits) })
  }
  const sorted = Object.freeze(commands.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
  const meter = new DataMeter({ ...ARGUMENT_SHAPE, maxBytes: 0 })
  return Object.freeze({
    get: (name: string) => byName.get(name)?.command,
    list: () => sorted,
    validate: (command: Command, authorised: Authorised): Validated | Refusal => {
      const entry = byName.get(authorised.call.command)
      if (entry?.command !== command) {
        throw catalogErrors.error('KOS_CATALOG_DEFINITION', { command: command.name })
      }
      return validateCall(entry, authorised, meter)
    },
  })
}

interface Entry {
  readonly command: Command
  readonly limits: DataLimits
}

function validateCall(entry: Entry, authorised: Authorised, meter: DataMeter): Validated | Refusal {
  const { command, limits } = entry
  const raw = authorised.call.arguments
  const problem = isMap(raw) ? meter.measure(raw, limits) : 'not-a-map'
  if (problem) return badArguments(command, `arguments: ${problem}`)
  const parsed = validate(command.argumentSchema, raw)
  if (!parsed.allow) return badArguments(command, `arguments.${parsed.rule}`)
  const canonical = command.canonicalise ? command.canonicalise(parsed.value) : parsed.value
  if (isRefusal(canonical)) return canonical
  // What the rules decide on and what runs is the same value: it cannot change in between.
  const args = freezeData(canonical)
  const grant = authorised.decideArguments ? authorised.decideArguments(args) : authorised.grant
  if (isRefusal(grant)) return grant
  const confined = command.confine?.(args)
  return confined ?? mintValidated(authorised, { arguments: args, grant })
}

function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function badArguments(command: Command, rule: string): Refusal {
  return refuse('KOS_CATALOG_ARGUMENTS', rule, {
    remedy: `Give arguments that fit the schema of ${command.name}.`,
  })
}
