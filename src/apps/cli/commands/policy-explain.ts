import { readFileSync } from 'node:fs'
import { isAbsolute, normalize } from 'node:path'
import { isRefusal, type Refusal, sha256, silentLog } from '../../../foundation/base/index.ts'
import { type CborInput, decodeCbor, encodeCbor } from '../../../foundation/codec/index.ts'
import {
  type Catalog,
  type Command,
  createBuiltins,
  createCatalog,
  type FileRoot,
} from '../../../commands/catalog/index.ts'
import {
  createManifestVerifier,
  createPolicyEngine,
  encodeManifest,
  type Explanation,
  explanationToText,
  MANIFEST_DOMAINS,
  type ManifestDomain,
  parseManifestJson,
  type PolicyEngine,
  type PolicyRequest,
  SIGNED_MANIFEST_LIMITS,
  type VerifiedManifest,
} from '../../../trust/policy/index.ts'
import { explainedSubject, type ExplainedSubject, type Member } from '../../node/index.ts'
import { BUILTIN_WORDS, type CommandWords } from '../builtin-words.ts'
import { callArguments } from '../call-arguments.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { openCredential, withAuthority } from '../credential.ts'
import { cliErrors } from '../errors.ts'
import { takeObjects } from '../objects.ts'
import { EXIT, paint, printable, printJson, printRefusal } from '../output.ts'

const EFFECTS = ['read', 'change'] as const
const DEFAULT_RULES = 20
const MAX_RULES = 1000
/** The rule of a path that begins with the name of a shared folder. */
const UNKNOWN_ROOT = 'files/root'

/** What is asked, as far as the command line says it. */
interface Asked {
  readonly from: string
  readonly to: string
  readonly action: string
  readonly domain: ManifestDomain
  /** The definition; `undefined` for what only the target knows. */
  readonly command: Command | undefined
  readonly catalogEntry: PolicyRequest['catalogEntry']
  /** As given; `undefined`: none. */
  readonly given: unknown
  readonly catalog: Catalog
  readonly areRootsKnown: boolean
  readonly maxRules: number
}

/** An explanation, and what the command itself says of its arguments. */
export interface Answer {
  readonly explanation: Explanation
  /** Why the command refuses its arguments, whatever policy says. */
  readonly refused: Refusal | undefined
  readonly notes: readonly string[]
}

/** `kosctl policy explain` */
export async function explain(context: CliContext, input: CommandInput): Promise<number> {
  const asked = readQuestion(input)
  const file = input.text('manifest')
  const answer = await (file === undefined
    ? withAuthority(context, async (client, member) => {
        if (!(await takeObjects(client, member))) throw cliErrors.error('KOS_CLI_UNREACHABLE')
        return answerBy(member, member.fabric.manifest, asked)
      })
    : answerByDraft(context, file, asked))
  if (isRefusal(answer)) {
    printRefusal(context.terminal, 'policy explain', answer)
    return EXIT.refused
  }
  return printAnswer(context, answer, input.flag('json'))
}

/** A draft needs nobody: the directory that this operator holds names the principals. */
async function answerByDraft(
  context: CliContext,
  file: string,
  asked: Asked,
): Promise<Answer | Refusal> {
  const text = file === '-' ? context.readInput() : readFileSync(file, 'utf8')
  const member = openCredential(context)
  try {
    const { fabric } = member
    const manifest = parseManifestJson(text, {
      uriOf: (name) => fabric.directory.byName(name)?.uri,
    })
    if (isRefusal(manifest)) return manifest
    const bytes = encodeCbor(encodeManifest(manifest))
    const { era = fabric.bundle.era, number = 0 } = fabric.manifest ?? {}
    const body = decodeCbor(bytes, SIGNED_MANIFEST_LIMITS)
    return answerBy(member, { era, number: number + 1, body, hash: sha256(bytes) }, asked)
  } finally {
    member.close()
  }
}

function answerBy(
  member: Member,
  manifest: VerifiedManifest | undefined,
  asked: Asked,
): Answer | Refusal {
  const engine = createPolicyEngine({
    clock: member.clock,
    log: silentLog,
    verify: createManifestVerifier(() => member.fabric.bundle),
  })
  const loaded = manifest && engine.load(manifest, { layer: 'fleet' })
  if (isRefusal(loaded)) return loaded
  const from = subjectOf(member, asked.from)
  const to = subjectOf(member, asked.to)
  const notes = [from.note, to.note].filter((note) => note !== undefined)
  const { action, domain, catalogEntry } = asked
  return ask(
    engine,
    { from: from.facts, to: to.facts, domain, action, catalogEntry },
    { asked, notes },
  )
}

function subjectOf(member: Member, name: string): ExplainedSubject {
  const subject = explainedSubject(member, name)
  if (!subject) throw cliErrors.error('KOS_CLI_UNKNOWN_PEER', { name })
  return subject
}

function ask(
  engine: PolicyEngine,
  request: PolicyRequest,
  about: { readonly asked: Asked; readonly notes: readonly string[] },
): Answer {
  const { asked, notes } = about
  const { command, given, catalog, maxRules, areRootsKnown } = asked
  if (!command) {
    const note =
      'kosctl does not know this action: its arguments are taken as they were given. The device knows: --on PEER.'
    const explanation = engine.explain({ ...request, arguments: given }, maxRules)
    return {
      explanation,
      refused: undefined,
      notes: given === undefined ? notes : [...notes, note],
    }
  }
  const canonical = catalog.canonicalise(command, given ?? {})
  if (isRefusal(canonical)) {
    if (canonical.rule === UNKNOWN_ROOT && !areRootsKnown) {
      throw usage('the path begins with a folder that the target shares: say where with --root')
    }
    // Without arguments it is asked what holds for any.
    const refused = given === undefined ? undefined : canonical
    return { explanation: engine.explain(request, maxRules), refused, notes }
  }
  const args = canonical.arguments
  const explanation = engine.explain({ ...request, arguments: args }, maxRules)
  const refused = command.confine?.(args)
  if (refused?.rule !== UNKNOWN_ROOT || areRootsKnown) return { explanation, refused, notes }
  const note = `Policy has its say first; ${command.name} itself then refuses what lies outside the folders that the target shares (--root tells which).`
  return { explanation, refused: undefined, notes: [...notes, note] }
}

function readQuestion(input: CommandInput): Asked {
  const [action = '', ...words] = input.positionals
  const from = input.text('from')
  const to = input.text('to')
  if (from === undefined || to === undefined) throw usage('--from and --to are needed, or --on')
  const maxRules = Number(input.text('rules') ?? DEFAULT_RULES)
  if (!(Number.isSafeInteger(maxRules) && maxRules >= 1 && maxRules <= MAX_RULES)) {
    throw usage(`--rules is 1 to ${MAX_RULES}`)
  }
  const domain = input.text('domain') ?? 'rpc'
  if (!isDomain(domain)) throw usage(`--domain is one of ${MANIFEST_DOMAINS.join(', ')}`)
  const roots = input.texts('root').map(rootOf)
  const catalog = definitions(roots)
  const command = domain === 'rpc' ? catalog.get(action) : undefined
  const said = input.text('effects') ?? command?.effects
  const effects = EFFECTS.find((one) => one === said)
  if (!effects)
    throw usage(
      `kosctl does not know ${action}: ask the device (--on PEER), or say --effects read or change`,
    )
  const permission = input.text('permission') ?? command?.permission ?? action
  const areRootsKnown = roots.length > 0
  const catalogEntry = { effects, permission }
  const known = BUILTIN_WORDS.find(({ name }) => name === action)
  const given = givenArguments(known, words, input.text('args'))
  return {
    from,
    to,
    action,
    domain,
    command,
    catalogEntry,
    given,
    catalog,
    areRootsKnown,
    maxRules,
  }
}

/** Arguments as words, as one JSON object or by `--args`; `undefined`: none were given. */
export function givenArguments(
  known: CommandWords | undefined,
  words: readonly string[],
  json: string | undefined,
): CborInput | undefined {
  const [only] = words
  if (json === undefined && only === undefined) return undefined
  // One word that is an object says what --args says.
  if (json === undefined && words.length === 1 && only?.startsWith('{')) {
    return callArguments(undefined, [], only)
  }
  return callArguments(known, words, json)
}

function isDomain(text: string): text is ManifestDomain {
  return MANIFEST_DOMAINS.some((domain) => domain === text)
}

function rootOf(text: string): FileRoot {
  const at = text.indexOf('=')
  const directory = text.slice(at + 1)
  if (at < 1 || !isAbsolute(directory)) throw usage('--root is NAME=FOLDER with an absolute path')
  return { name: text.slice(0, at), directory: normalize(directory).replace(/(?<=.)\/$/, '') }
}

/** The definitions of the built-in commands; nothing of them is run on this side. */
function definitions(fileRoots: readonly FileRoot[]): Catalog {
  const notHere = (): never => {
    throw new TypeError('a definition is not run by kosctl')
  }
  return createCatalog(
    createBuiltins({ system: { status: notHere, info: notHere } }, { fileRoots }),
  )
}

/** Prints an answer, and gives the exit code that goes with it. */
export function printAnswer(context: CliContext, answer: Answer, isJson: boolean): number {
  const { terminal } = context
  const { explanation, refused, notes } = answer
  const isAllowed = explanation.outcome === 'allowed' && !refused
  if (isJson) {
    const { code, rule: decidedBy, remedy } = refused ?? {}
    const isPolicyRefusal = explanation.outcome === 'refused'
    printJson(terminal, {
      ...explanation,
      ...(refused && !isPolicyRefusal && { outcome: 'refused', decidedBy, code, remedy }),
      notes,
    })
    return isAllowed ? EXIT.ok : EXIT.refused
  }
  const [question = '', verdict = '', ...lines] = explanationToText(explanation)
    .trimEnd()
    .split('\n')
  terminal.out(printable(question))
  terminal.out(paint(terminal, isAllowed ? 'green' : 'red', printable(verdict)))
  for (const line of lines) terminal.out(printable(line))
  if (refused) {
    const { rule, code, remedy } = refused
    terminal.out(printable(`The command itself refuses these arguments: ${rule} (${code})`))
    if (remedy !== undefined) terminal.out(printable(`Remedy: ${remedy}`))
  }
  for (const note of notes) terminal.out(paint(terminal, 'dim', printable(`Note: ${note}`)))
  return isAllowed ? EXIT.ok : EXIT.refused
}

function usage(reason: string): Error {
  return cliErrors.error('KOS_CLI_USAGE', { reason })
}
