import { type z } from '../../../foundation/base/index.ts'
import { isSealedText } from '../../../trust/keys/index.ts'
import { type DaemonRole, rolesOf, type Settings, settingNames, settingsSchema } from './schema.ts'
import {
  type ConfigProblem,
  findEntry,
  plainOf,
  problemAt,
  readYaml,
  shownName,
  type YamlMap,
} from './yaml.ts'

/** Most problems that are told of one file. */
const MAX_PROBLEMS = 32

/** One secret as it stands in the file. */
export interface ConfigSecret {
  readonly name: string
  /** Names from the root. */
  readonly path: readonly string[]
  readonly text: string
  readonly isSealed: boolean
  readonly line: number
  readonly column: number
}

/** What a configuration says, as far as it can be understood. */
export interface ConfigReading {
  readonly text: string
  /** Absent: it is empty, or no YAML. */
  readonly root: YamlMap | undefined
  /** Absent: there are problems. */
  readonly settings: Settings | undefined
  readonly secrets: readonly ConfigSecret[]
  /** In the order of the file; a secret in the clear is none of them. */
  readonly problems: readonly ConfigProblem[]
}

/**
 * Reads a configuration: YAML, then names and values.
 *
 * @param text - content of the file
 * @param role - whose it is; `undefined`: of either daemon
 */
export function readConfiguration(text: string, role: DaemonRole | undefined): ConfigReading {
  const { root, problems } = readYaml(text)
  if (problems.length > 0) return { text, root, settings: undefined, secrets: [], problems }
  if (role !== undefined) return readAs(text, root, role)
  const asNode = readAs(text, root, 'node')
  return asNode.problems.length === 0 ? asNode : better(asNode, readAs(text, root, 'authority'))
}

function better(one: ConfigReading, other: ConfigReading): ConfigReading {
  return other.problems.length < one.problems.length ? other : one
}

function readAs(text: string, root: YamlMap | undefined, role: DaemonRole): ConfigReading {
  const parsed = settingsSchema(role).safeParse(root ? plainOf(root) : {})
  const secrets = secretsOf(text, root)
  if (parsed.success) {
    return { text, root, settings: parsed.data as Settings, secrets, problems: [] }
  }
  const problems = parsed.error.issues
    .flatMap((issue) => problemsOf(issue, { text, root, role }))
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
    .slice(0, MAX_PROBLEMS)
  return { text, root, settings: undefined, secrets, problems }
}

function secretsOf(text: string, root: YamlMap | undefined): readonly ConfigSecret[] {
  const section = findEntry(root, ['secrets'])?.value
  if (section?.kind !== 'map') return []
  return section.entries.flatMap(({ name, nameSpan, value }) => {
    if (value.kind !== 'scalar' || typeof value.value !== 'string') return []
    const { line, column } = problemAt(text, nameSpan[0], '')
    const isSealed = isSealedText(value.value)
    return [{ name, path: ['secrets', name], text: value.value, isSealed, line, column }]
  })
}

interface Place {
  readonly text: string
  readonly root: YamlMap | undefined
  readonly role: DaemonRole
}

function problemsOf(issue: z.core.$ZodIssue, place: Place): readonly ConfigProblem[] {
  const { text, root, role } = place
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const entry = findEntry(root, [...path, key])
      return problemAt(text, entry?.nameSpan[0] ?? 0, unknownSentence(key, role))
    })
  }
  // A place within a list is that of the list.
  const names = path.filter((name) => !/^[0-9]+$/.test(name))
  const entry = findEntry(root, names)
  const isName = issue.code === 'invalid_key'
  const offset = isName ? entry?.nameSpan[0] : entry?.value.span[0]
  const shown = shownName(names.at(-1) ?? '')
  return [problemAt(text, offset ?? 0, `${shown} ${sentenceOf(issue)}`)]
}

function unknownSentence(key: string, role: DaemonRole): string {
  const shown = shownName(key)
  const [other] = rolesOf(key)
  if (other !== undefined) return `${shown} is a setting of kosd ${other}, not of kosd ${role}`
  const alike = settingNames(role).find((name) => distance(simple(name), simple(key)) <= 2)
  return `${shown} is not known here${alike === undefined ? '' : `: is it "${alike}"?`}`
}

function simple(name: string): string {
  return name.slice(0, 64).toLowerCase().replaceAll(/[-_]/g, '')
}

/** Letters to change, add or leave out. @see Levenshtein distance */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let index = 0; index < one.length; index += 1) {
    const next = [index + 1]
    for (let at = 0; at < other.length; at += 1) {
      const replaced = (row[at] ?? 0) + (one.charAt(index) === other.charAt(at) ? 0 : 1)
      next.push(Math.min(replaced, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text: put it in quotes',
  boolean: 'true or false',
  number: 'a number',
  array: 'a list: [ONE, OTHER]',
  record: 'a map: NAME: VALUE on lines of their own',
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return `must be ${KINDS[issue.expected] ?? issue.expected}`
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`
  if (issue.code === 'too_big') return 'is too long'
  if (issue.code === 'too_small') return 'must not be empty'
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? 'is no name'
  return issue.message
}
