/**
 * The house rules that no linter knows: rooms, doors, direction, mints, sizes. Pure: source texts in,
 * faults out; `test/house.test.ts` feeds it the real tree and planted faults.
 *
 * @see docs/architecture.md
 */
import { dirname, join } from 'node:path/posix'
import { type Node, type ParseResult, parseSync, Visitor } from 'oxc-parser'

/** One file: path relative to the project with forward slashes, and its text. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

/** One broken rule at one place. */
export interface Fault {
  readonly path: string
  readonly line: number
  readonly rule: string
  readonly message: string
}

/** What was looked at, so that a green run over nothing is seen. */
export interface HouseReport {
  readonly faults: readonly Fault[]
  readonly files: number
  readonly edges: number
  readonly functions: number
}

interface Wing {
  readonly name: string
  readonly floor: number
  readonly rooms: readonly string[]
}

/** Wings with their floor and their rooms in order: a room may import those before it. */
export const WINGS: readonly Wing[] = [
  { name: 'foundation', floor: 1, rooms: ['base', 'codec', 'profiles', 'pipeline', 'storage'] },
  { name: 'trust', floor: 2, rooms: ['keys', 'pki', 'attestation', 'policy', 'audit'] },
  { name: 'commands', floor: 2, rooms: ['catalog', 'sandbox', 'execution'] },
  { name: 'network', floor: 3, rooms: ['admission', 'transport', 'session', 'bus', 'anomaly'] },
  {
    name: 'lifecycle',
    floor: 3,
    rooms: ['enrolment', 'pairing', 'updates', 'recovery', 'compliance'],
  },
  { name: 'apps', floor: 4, rooms: ['node', 'authority', 'cli', 'console'] },
]

/** Who may mint a stage of a request. */
export const MINTS: ReadonlyMap<string, string> = new Map([
  ['mintConnected', 'network/admission'],
  ['mintAuthenticated', 'network/session'],
  ['mintAuthorised', 'trust/policy'],
  ['mintValidated', 'commands/catalog'],
  ['mintExecuted', 'commands/execution'],
  ['mintFiltered', 'commands/execution'],
  ['mintRecorded', 'trust/audit'],
])

const PIPELINE = 'foundation/pipeline'
const MAX_FILE_LINES = 600
const MAX_FUNCTION_LINES = 80
const P90_FILE_LINES = 350
const P90_FUNCTION_LINES = 40
const PROFILE_NAME = /^(?:kOS-)?SEC-[0-4]$/i
const PROFILE_RANK = /^(?:level|floor|profile)$/i

/**
 * Checks a set of source files against all house rules.
 *
 * @param files - every TypeScript file under `src/`
 * @returns the faults and the counts; reading no file is a fault
 */
export function checkHouse(files: readonly SourceFile[]): HouseReport {
  const house = new House(files)
  return house.check()
}

interface Place {
  readonly room: string
  readonly wing: Wing
  readonly order: number
}

/** The room of a path under `src/`, or `undefined` where no room is. */
function placeOf(path: string): Place | undefined {
  const [src, wingName, room, file] = path.split('/')
  const wing = WINGS.find(({ name }) => name === wingName)
  if (src !== 'src' || !wing || room === undefined || file === undefined) return undefined
  const order = wing.rooms.indexOf(room)
  return order < 0 ? undefined : { room: `${wing.name}/${room}`, wing, order }
}

/** Whether a file of one room may know the other room at all. */
function mayKnow(from: Place, to: Place): boolean {
  if (from.room === to.room || to.wing.floor < from.wing.floor) return true
  return to.wing === from.wing && to.order < from.order
}

class House {
  readonly #files: readonly SourceFile[]
  readonly #faults: Fault[] = []
  readonly #functionLines: number[] = []
  readonly #documented = new Map<string, ReadonlyMap<string, boolean>>()
  #edges = 0

  constructor(files: readonly SourceFile[]) {
    this.#files = files
  }

  check(): HouseReport {
    const views = this.#files.map((file) => new FileView(file, this.#faults))
    for (const view of views) this.#checkFile(view)
    for (const view of views) if (view.path.endsWith('/index.ts')) this.#checkDoor(view)
    this.#checkTotals()
    return {
      faults: this.#faults,
      files: this.#files.length,
      edges: this.#edges,
      functions: this.#functionLines.length,
    }
  }

  #checkFile(view: FileView): void {
    const place = placeOf(view.path)
    if (!place) return view.fault(0, 'room', 'this file stands in no room of the house')
    if (view.lines > MAX_FILE_LINES) {
      view.fault(0, 'size', `${view.lines} lines, at most ${MAX_FILE_LINES}`)
    }
    for (const error of view.parsed.errors) view.fault(0, 'syntax', error.message)
    this.#edges += checkImports(view, place)
    this.#functionLines.push(...checkSyntax(view, place))
    this.#documented.set(view.path, documentedExports(view))
  }

  /** Everything a door hands out has a docstring where it is declared. */
  #checkDoor(view: FileView): void {
    for (const { entries } of view.parsed.module.staticExports) {
      for (const { moduleRequest, importName, start } of entries) {
        if (!moduleRequest || importName.name === null) continue
        const declared = this.#documented.get(join(dirname(view.path), moduleRequest.value))
        if (declared?.get(importName.name) === false) {
          view.fault(start, 'docstring', `${importName.name} is public and has no docstring`)
        }
      }
    }
  }

  #checkTotals(): void {
    const total = (rule: string, message: string): void => {
      this.#faults.push({ path: 'src', line: 0, rule, message })
    }
    if (this.#files.length === 0) total('empty', 'no source file was read')
    else if (this.#edges === 0 && this.#files.length > 1) total('empty', 'no import was read')
    const fileP90 = p90(this.#files.map(({ text }) => countLines(text)))
    if (fileP90 > P90_FILE_LINES) total('size', `p90 of file lines is ${fileP90}`)
    const functionP90 = p90(this.#functionLines)
    if (functionP90 > P90_FUNCTION_LINES) total('size', `p90 of function lines is ${functionP90}`)
  }
}

/** A parsed file that knows its lines. */
class FileView {
  readonly path: string
  readonly lines: number
  readonly parsed: ParseResult
  readonly #text: string
  readonly #lineEnds: readonly number[]
  readonly #faults: Fault[]

  constructor(file: SourceFile, faults: Fault[]) {
    this.path = file.path
    this.#text = file.text
    this.lines = countLines(file.text)
    this.#lineEnds = [...file.text.matchAll(/\n/g)].map(({ index }) => index)
    this.parsed = parseSync(file.path, file.text)
    this.#faults = faults
  }

  lineOf(offset: number): number {
    const after = this.#lineEnds.findIndex((end) => end >= offset)
    return (after < 0 ? this.#lineEnds.length : after) + 1
  }

  fault(offset: number, rule: string, message: string): void {
    this.#faults.push({ path: this.path, line: this.lineOf(offset), rule, message })
  }

  /** Whether a doc comment ends right before the offset. */
  hasDocBefore(offset: number): boolean {
    return this.parsed.comments.some(
      ({ type, value, end }) =>
        type === 'Block' &&
        value.startsWith('*') &&
        end <= offset &&
        this.#text.slice(end, offset).trim() === '',
    )
  }
}

interface ImportedName {
  readonly specifier: string
  readonly name: string | undefined
  readonly offset: number
}

/** Every module a file names, once per imported name. */
function importedNames(view: FileView): ImportedName[] {
  const names: ImportedName[] = []
  const { staticImports, staticExports } = view.parsed.module
  for (const { moduleRequest, entries, start } of staticImports) {
    names.push({ specifier: moduleRequest.value, name: '', offset: start })
    for (const { importName } of entries) {
      const name = importName.kind === 'Name' ? (importName.name ?? undefined) : undefined
      names.push({ specifier: moduleRequest.value, name, offset: start })
    }
  }
  for (const { entries, start } of staticExports) {
    for (const { moduleRequest, importName } of entries) {
      const name = importName.name ?? undefined
      if (moduleRequest) names.push({ specifier: moduleRequest.value, name, offset: start })
    }
  }
  const ofExpression = (node: { readonly source: Node; readonly start: number }): void => {
    const specifier = literalText(node.source)
    if (specifier !== undefined) names.push({ specifier, name: '', offset: node.start })
  }
  new Visitor({ ImportExpression: ofExpression, TSImportType: ofExpression }).visit(
    view.parsed.program,
  )
  return names
}

/** Rooms, doors, direction and mints. Returns how many names were looked at. */
function checkImports(view: FileView, from: Place): number {
  const names = importedNames(view)
  for (const { specifier, name, offset } of names) {
    if (!specifier.startsWith('.')) {
      checkPackage(view, from, { specifier, name, offset })
      continue
    }
    const target = join(dirname(view.path), specifier)
    const to = placeOf(target)
    if (!to) view.fault(offset, 'room', `${specifier} leads out of the house`)
    else if (!mayKnow(from, to)) view.fault(offset, 'direction', `${from.room} imports ${to.room}`)
    else if (to.room !== from.room && target !== `src/${to.room}/index.ts`) {
      view.fault(offset, 'door', `${target} is entered past its door`)
    }
    if (to) checkMint(view, from, { to, name, offset })
  }
  return names.length
}

function checkPackage(view: FileView, from: Place, edge: ImportedName): void {
  const { specifier, name, offset } = edge
  const fault = (rule: string, message: string): void => view.fault(offset, rule, message)
  if (/^kos(?:\/|$)/.test(specifier)) fault('door', 'the house imports itself by package name')
  if (/^zod(?:\/|$)/.test(specifier) && from.room !== 'foundation/base') {
    fault('door', 'zod has one door: foundation/base')
  }
  if (specifier === 'node:process' && name === 'env' && from.wing.name !== 'apps') {
    fault('environment', 'only apps read the environment')
  }
  if (/^(?:node:)?console$/.test(specifier)) fault('console', 'the console is for apps/cli')
}

interface MintEdge {
  readonly to: Place
  readonly name: string | undefined
  readonly offset: number
}

/** A stage is minted by its own room: nobody else imports the mint or passes it on. */
function checkMint(view: FileView, from: Place, edge: MintEdge): void {
  const { to, name, offset } = edge
  if (from.room === PIPELINE) return
  if (to.room === PIPELINE && name === undefined) {
    return view.fault(offset, 'mint', 'the pipeline is imported name by name')
  }
  if (to.room !== PIPELINE || !name?.startsWith('mint')) return
  const owner = MINTS.get(name)
  if (owner === undefined) view.fault(offset, 'mint', `${name} has no owner in the house`)
  else if (owner !== from.room) view.fault(offset, 'mint', `${name} belongs to ${owner}`)
}

/** Rules on syntax. Returns the length in lines of every function. */
function checkSyntax(view: FileView, from: Place): number[] {
  const lengths: number[] = []
  const inApps = from.wing.name === 'apps'
  const fault = (node: { readonly start: number }, rule: string, message: string): void =>
    view.fault(node.start, rule, message)
  const measure = (node: { readonly start: number; readonly end: number }): void => {
    const lines = view.lineOf(node.end - 1) - view.lineOf(node.start) + 1
    lengths.push(lines)
    if (lines > MAX_FUNCTION_LINES) {
      fault(node, 'size', `a function of ${lines} lines, at most ${MAX_FUNCTION_LINES}`)
    }
  }
  new Visitor({
    FunctionDeclaration: measure,
    FunctionExpression: measure,
    ArrowFunctionExpression: measure,
    Decorator: (node) => fault(node, 'syntax', 'no decorators: Node cannot strip them'),
    AccessorProperty: (node) => fault(node, 'syntax', 'no accessor fields'),
    ImportExpression: (node) => {
      if (!inApps) fault(node, 'dynamic', 'only apps import dynamically')
    },
    ExportDefaultDeclaration: (node) => fault(node, 'export', 'no default export'),
    ExportAllDeclaration: (node) => fault(node, 'export', 'exports are listed by name'),
    ExportNamedDeclaration: (node) => checkExportedNames(view, from, node),
    MemberExpression: (node) => checkGlobals(view, from, node),
    VariableDeclarator: (node) => {
      const reads = node.id.type === 'ObjectPattern' && node.init && isName(node.init, 'process')
      if (reads && !inApps) fault(node, 'environment', 'process is not taken apart')
    },
    BinaryExpression: (node) => {
      if (comparesProfile(node) && from.room !== 'foundation/profiles') {
        fault(node, 'profile', 'ask the profile object instead of comparing its name')
      }
    },
    SwitchCase: (node) => {
      if (node.test && isProfileName(node.test) && from.room !== 'foundation/profiles') {
        fault(node, 'profile', 'ask the profile object instead of switching on its name')
      }
    },
  }).visit(view.parsed.program)
  return lengths
}

function checkExportedNames(
  view: FileView,
  from: Place,
  node: Extract<Node, { type: 'ExportNamedDeclaration' }>,
): void {
  for (const { exported, local } of node.specifiers) {
    const [outer, inner] = [nameOf(exported), nameOf(local)]
    if (outer === 'default') view.fault(node.start, 'export', 'no default export')
    const passesOn = MINTS.has(outer ?? '') || MINTS.has(inner ?? '')
    if (passesOn && from.room !== PIPELINE) view.fault(node.start, 'mint', 'a mint is passed on')
  }
}

function checkGlobals(
  view: FileView,
  from: Place,
  node: Extract<Node, { type: 'MemberExpression' }>,
): void {
  const property = node.computed ? literalText(node.property) : nameOf(node.property)
  if (isName(node.object, 'process') && property === 'env' && from.wing.name !== 'apps') {
    view.fault(node.start, 'environment', 'only apps read the environment')
  }
  if (isName(node.object, 'console') && from.room !== 'apps/cli') {
    view.fault(node.start, 'console', 'the console is for apps/cli')
  }
}

function comparesProfile(node: Extract<Node, { type: 'BinaryExpression' }>): boolean {
  if (!/^(?:[!=]==?|[<>]=?)$/.test(node.operator)) return false
  const sides: readonly Node[] = [node.left, node.right]
  if (sides.some(isProfileName)) return true
  const ranked = sides.some(
    (side) => side.type === 'MemberExpression' && PROFILE_RANK.test(nameOf(side.property) ?? ''),
  )
  return ranked && sides.some((side) => side.type === 'Literal' && typeof side.value === 'number')
}

function isProfileName(node: Node): boolean {
  return PROFILE_NAME.test(literalText(node) ?? '')
}

function isName(node: Node, name: string): boolean {
  return node.type === 'Identifier' && node.name === name
}

function nameOf(node: Node): string | undefined {
  if (node.type === 'Identifier') return node.name
  return literalText(node)
}

function literalText(node: Node): string | undefined {
  return node.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined
}

/** The declarations a file exports, and whether each has a docstring. */
function documentedExports(view: FileView): ReadonlyMap<string, boolean> {
  const documented = new Map<string, boolean>()
  for (const statement of view.parsed.program.body) {
    if (statement.type !== 'ExportNamedDeclaration' || !statement.declaration) continue
    const { declaration } = statement
    const has = view.hasDocBefore(statement.start)
    for (const name of declaredNames(declaration)) {
      documented.set(name, documented.get(name) === true || has)
    }
  }
  return documented
}

function declaredNames(declaration: Node): readonly string[] {
  if (declaration.type === 'VariableDeclaration') {
    return declaration.declarations.flatMap(({ id }) => nameOf(id) ?? [])
  }
  const id = 'id' in declaration ? declaration.id : undefined
  return id ? [nameOf(id) ?? ''] : []
}

function countLines(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

function p90(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.9) - 1] ?? 0
}
