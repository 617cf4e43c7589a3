import { isRefusal, refuse, type Refusal, validate } from '../../foundation/base/index.ts'
import { type Authorised, mintValidated, type Validated } from '../../foundation/pipeline/index.ts'
import { type Command, isCommandName } from './command.ts'
import { type DataLimits, DataMeter, freezeData, WIRE_SHAPE } from './data.ts'
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
  /**
   * The canonical arguments of a call, as policy rules and the command see them; nothing is decided.
   * For explanations: what runs went through {@link Catalog.validate}.
   *
   * @param command - a command of this catalog
   * @param given - the arguments as a caller gives them
   * @returns plain frozen data, or the refusal that the call would get
   * @throws {@link KosError} KOS_CATALOG_DEFINITION when the command is not of this catalog
   */
  canonicalise(command: Command, given: unknown): { readonly arguments: unknown } | Refusal
}

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
    const limits = argumentLimits(command.limits.maxArgumentBytes)
    byName.set(name, { command, limits: limits })
  }
  const sorted = Object.freeze(commands.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
  const meter = new DataMeter(argumentLimits(0))
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
    canonicalise: (command: Command, given: unknown) => {
      const entry = byName.get(command.name)
      if (entry?.command !== command) {
        throw catalogErrors.error('KOS_CATALOG_DEFINITION', { command: command.name })
      }
      const canonical = canonicalArguments(entry, given, meter)
      return isRefusal(canonical) ? canonical : { arguments: freezeData(canonical) }
    },
  })
}

/** A catalog that can be exchanged as a whole while calls run. */
export interface LiveCatalog extends Catalog {
  /**
   * Puts another set of commands in force, from one call to the next. Calls that run end with the
   * definition they began with.
   *
   * @throws {@link KosError} as {@link createCatalog}; then the set in force stays
   */
  replace(commands: readonly Command[]): void
}

/**
 * Makes a catalog that can be exchanged.
 *
 * @param commands - what is in force first
 * @throws {@link KosError} as {@link createCatalog}
 */
export function createLiveCatalog(commands: readonly Command[]): LiveCatalog {
  let current = createCatalog(commands)
  return Object.freeze({
    get: (name: string) => current.get(name),
    list: () => current.list(),
    validate: (command: Command, authorised: Authorised) => current.validate(command, authorised),
    canonicalise: (command: Command, given: unknown) => current.canonicalise(command, given),
    replace: (next: readonly Command[]): void => {
      current = createCatalog(next)
    },
  })
}

function argumentLimits(maxBytes: number): DataLimits {
  return Object.freeze({ ...WIRE_SHAPE, maxBytes, refuseControls: true })
}

interface Entry {
  readonly command: Command
  readonly limits: DataLimits
}

/** Sanitised, checked by the schema, brought into canonical form: a value, or a refusal. */
function canonicalArguments({ command, limits }: Entry, raw: unknown, meter: DataMeter): unknown {
  const problem = isMap(raw) ? meter.measure(raw, limits) : 'not-a-map'
  if (problem) return badArguments(command, `arguments: ${problem}`)
  const parsed = command.parseArguments(raw)
  if (parsed === undefined) return badArguments(command, ruleOf(command, raw))
  return command.canonicalise ? command.canonicalise(parsed) : parsed
}

function validateCall(entry: Entry, authorised: Authorised, meter: DataMeter): Validated | Refusal {
  const canonical = canonicalArguments(entry, authorised.call.arguments, meter)
  if (isRefusal(canonical)) return canonical
  // What the rules decide on and what runs is the same value: it cannot change in between.
  const args = freezeData(canonical)
  const grant = authorised.decideArguments ? authorised.decideArguments(args) : authorised.grant
  if (isRefusal(grant)) return grant
  const confined = entry.command.confine?.(args)
  return confined ?? mintValidated(authorised, { arguments: args, grant })
}

/**
 * The rule a value breaks. The meter has bounded the value before its schema, as the validation door
 * would; that door is asked only here, for the wording.
 */
function ruleOf(command: Command, raw: unknown): string {
  const again = validate(command.argumentSchema, raw)
  return again.allow ? 'arguments: invalid' : `arguments.${again.rule}`
}

function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function badArguments(command: Command, rule: string): Refusal {
  return refuse('KOS_CATALOG_ARGUMENTS', rule, {
    remedy: `Give arguments that fit the schema of ${command.name}.`,
  })
}
