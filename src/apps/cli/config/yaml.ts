import {
  CST,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  parseDocument,
  type ParsedNode,
  type YAMLError,
} from 'yaml'

/** Largest configuration, in bytes of UTF-8. */
export const MAX_CONFIG_BYTES: number = 256 * 1024
/** Most words, marks, comments and line ends: what the work of the parser grows with. */
const MAX_TOKENS = 8192
const MAX_DEPTH = 8

/** Offsets into the text: from the first character to behind the last one. */
export type Span = readonly [start: number, end: number]

/** A value with its place in the text; an empty value stands behind the colon of its name. */
export type YamlValue = YamlMap | YamlList | YamlScalar

/** Names and values, in their order. */
export interface YamlMap {
  readonly kind: 'map'
  readonly entries: readonly YamlEntry[]
  readonly span: Span
  /** Written in braces. */
  readonly isFlow: boolean
}

/** One name of a map, once. */
export interface YamlEntry {
  readonly name: string
  readonly nameSpan: Span
  /** Offset behind its colon. */
  readonly behind: number
  readonly value: YamlValue
}

/** Values in their order. */
export interface YamlList {
  readonly kind: 'list'
  readonly items: readonly YamlValue[]
  readonly span: Span
}

/** Anything else. */
export interface YamlScalar {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
  readonly span: Span
}

/** What is wrong, and where: lines and columns count from 1. */
export interface ConfigProblem {
  readonly line: number
  readonly column: number
  /** One sentence; nothing of the text stands in it but harmless names. */
  readonly problem: string
}

/** A document, or everything that is wrong with it; `undefined` without problems: it is empty. */
export interface YamlReading {
  readonly root: YamlMap | undefined
  readonly problems: readonly ConfigProblem[]
}

class YamlFault extends Error {
  readonly offset: number

  constructor(offset: number, problem: string) {
    super(problem)
    this.offset = offset
  }
}

/**
 * Reads the part of YAML 1.2 that a configuration needs, in one way only: one map with names that are
 * there once, lists and plain values. Anchors, aliases, tags, directives, explicit keys, tabs, further
 * documents, control characters and numbers that a double does not hold are refused.
 *
 * @param text - at most {@link MAX_CONFIG_BYTES}
 * @see YAML 1.2.2
 */
export function readYaml(text: string): YamlReading {
  try {
    checkCharacters(text)
    checkTokens(text)
    // The own check of names is linear, and says which one it is.
    const document = parseDocument(text, {
      strict: true,
      uniqueKeys: false,
      stringKeys: true,
      schema: 'core',
      version: '1.2',
      merge: false,
      resolveKnownTags: false,
      prettyErrors: false,
      logLevel: 'error',
    })
    const [error] = [...document.errors, ...document.warnings]
    if (error) throw new YamlFault(error.pos[0], sentenceOf(error))
    const { contents } = document
    if (contents === null) return { root: undefined, problems: [] }
    const root = convert(text, contents, 0)
    if (root.kind === 'map') return { root, problems: [] }
    const isEmpty = root.kind === 'scalar' && root.value === null
    if (isEmpty) return { root: undefined, problems: [] }
    throw new YamlFault(root.span[0], 'a configuration is a map: NAME: VALUE')
  } catch (fault) {
    if (!(fault instanceof YamlFault)) throw fault
    return { root: undefined, problems: [problemAt(text, fault.offset, fault.message)] }
  }
}

/** The value as plain data; its maps have no prototype. */
export function plainOf(value: YamlValue): unknown {
  switch (value.kind) {
    case 'scalar':
      return value.value
    case 'list':
      return value.items.map(plainOf)
    case 'map': {
      const plain: Record<string, unknown> = Object.create(null) as Record<string, unknown>
      for (const { name, value: child } of value.entries) plain[name] = plainOf(child)
      return plain
    }
  }
}

/** A problem at an offset of the text. */
export function problemAt(text: string, offset: number, problem: string): ConfigProblem {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1, problem }
}

/** The entry that names lead to, from the root. */
export function findEntry(
  root: YamlMap | undefined,
  path: readonly string[],
): YamlEntry | undefined {
  let map: YamlValue | undefined = root
  let entry: YamlEntry | undefined
  for (const name of path) {
    entry = map?.kind === 'map' ? map.entries.find((one) => one.name === name) : undefined
    map = entry?.value
  }
  return entry
}

/** What one editor shows and another one does not has no place in a file that decides. */
const HIDDEN =
  // oxlint-disable-next-line no-control-regex -- control characters are what this looks for
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]|\r(?!\n)|(?!^)\ufeff|\p{Surrogate}/u

function checkCharacters(text: string): void {
  if (Buffer.byteLength(text) > MAX_CONFIG_BYTES) {
    throw new YamlFault(0, `the file is larger than ${MAX_CONFIG_BYTES} bytes`)
  }
  const hidden = HIDDEN.exec(text)
  if (hidden) throw new YamlFault(hidden.index, 'a control character, or one that hides others')
}

const REFUSED: Readonly<Record<string, string>> = {
  anchor: 'anchors (&) are not used here: write the value where it belongs',
  alias: 'aliases (*) are not used here: write the value where it belongs',
  tag: 'tags (!) are not used here: put the value in quotes if it is a text',
  'directive-line': 'directives (%) are not used here',
  'explicit-key-ind': 'explicit keys (?) are not used here: NAME: VALUE',
}

/** Looks at words and marks before anything is built of them. */
function checkTokens(text: string): void {
  let offset = 0
  let depth = 0
  let dashes = 0
  let count = 0
  let isContent = false
  for (const token of new Lexer().lex(text)) {
    if (++count > MAX_TOKENS) throw new YamlFault(offset, 'the file is too long from here on')
    const type: string | null = isContent ? 'content' : CST.tokenType(token)
    isContent = type === 'scalar'
    // Marks of the lexer itself.
    if (type === 'scalar' || type === 'doc-mode' || type === 'flow-error-end') continue
    const refused = REFUSED[type ?? '']
    if (refused !== undefined) throw new YamlFault(offset, refused)
    if (type === 'space' && token.includes('\t')) {
      throw new YamlFault(offset + token.indexOf('\t'), 'a tab: use spaces')
    }
    if (type === 'flow-map-start' || type === 'flow-seq-start') depth += 1
    if (type === 'flow-map-end' || type === 'flow-seq-end') depth -= 1
    if (type === 'newline') dashes = 0
    if (type === 'seq-item-ind') dashes += 1
    if (depth > MAX_DEPTH || dashes > MAX_DEPTH) throw new YamlFault(offset, TOO_DEEP)
    offset += token.length
  }
}

const TOO_DEEP = 'nested too deeply'
const SENTENCES: Readonly<Record<string, string>> = {
  BAD_INDENT: 'this is not indented like the lines it belongs to',
  BLOCK_AS_IMPLICIT_KEY: 'a second ":" on the line: put the value in quotes',
  MISSING_CHAR: 'a quote or bracket is not closed, or a ":" is missing',
  MULTIPLE_DOCS: 'a second document begins here: there is one only',
  MULTILINE_IMPLICIT_KEY: 'a name goes over more than one line, or its ":" is missing',
  NON_STRING_KEY: 'a name is no text',
  RESOURCE_EXHAUSTION: TOO_DEEP,
  TAB_AS_INDENT: 'a tab: use spaces',
}

function sentenceOf({ code, message }: YAMLError): string {
  if (code === 'BAD_INDENT' && message.startsWith('Flow'))
    return 'a bracket is not closed before here'
  return SENTENCES[code] ?? 'this is not YAML: put the value in quotes, or correct the line'
}

function convert(text: string, node: Node | ParsedNode, depth: number): YamlValue {
  const [start = 0, end = start] = node.range ?? []
  if (depth > MAX_DEPTH) throw new YamlFault(start, TOO_DEEP)
  if (isSeq(node)) {
    const items = node.items.map((item) => convert(text, nodeOf(item, start), depth + 1))
    return { kind: 'list', items, span: [start, end] }
  }
  if (isMap(node)) {
    const entries = convertEntries(text, node.items, { start, depth })
    return { kind: 'map', entries, span: [start, end], isFlow: node.flow === true }
  }
  if (isScalar(node))
    return { kind: 'scalar', value: valueOf(node.value, start), span: [start, end] }
  throw new YamlFault(start, 'this kind of value is not used here')
}

function convertEntries(
  text: string,
  pairs: readonly { readonly key: unknown; readonly value: unknown }[],
  { start, depth }: { readonly start: number; readonly depth: number },
): readonly YamlEntry[] {
  const seen = new Set<string>()
  return pairs.map(({ key, value }) => {
    const keyNode = nodeOf(key, start)
    const [from = start, to = from] = keyNode.range ?? []
    const name = isScalar(keyNode) ? keyNode.value : undefined
    if (typeof name !== 'string') throw new YamlFault(from, 'a name is no text')
    if (seen.has(name)) throw new YamlFault(from, `${shownName(name)} is there twice`)
    seen.add(name)
    const behind = to + (/^ *:/.exec(text.slice(to, to + 1024))?.[0].length ?? 0)
    const child = value === null ? undefined : convert(text, nodeOf(value, to), depth + 1)
    const isEmpty = child === undefined || child.span[0] === child.span[1]
    const empty = { kind: 'scalar', value: null, span: [behind, behind] } as const
    return { name, nameSpan: [from, to], behind, value: isEmpty ? empty : child }
  })
}

function nodeOf(value: unknown, offset: number): Node {
  if (isMap(value) || isSeq(value) || isScalar(value)) return value
  throw new YamlFault(offset, 'this kind of value is not used here')
}

function valueOf(value: unknown, offset: number): YamlScalar['value'] {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  const isExact =
    typeof value === 'number' &&
    (Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value)))
  if (isExact) return value
  throw new YamlFault(offset, 'a number that cannot be held exactly')
}

/** A name of the file as a sentence may repeat it. */
export function shownName(name: string): string {
  return /^[\w-]{1,64}$/.test(name) ? `"${name}"` : 'this name'
}
