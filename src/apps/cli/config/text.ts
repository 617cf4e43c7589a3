import { isDeepStrictEqual } from 'node:util'
import { cliErrors } from '../errors.ts'
import {
  findEntry,
  plainOf,
  readYaml,
  type Span,
  type YamlEntry,
  type YamlMap,
  type YamlValue,
} from './yaml.ts'

/** A value that is written into a configuration. */
export type NewValue = string | number | boolean | readonly string[]

/** One value and what stands there instead. */
export interface Replacement {
  readonly path: readonly string[]
  readonly value: NewValue
}

/**
 * Changes values in the text of a configuration and nothing else: comments, order, quotes and spaces of
 * the rest stay as they are. The result is read again and must say exactly what was meant.
 *
 * @param text - a configuration that is well-formed
 * @param replacements - each path once; a value that is not there yet is added behind its neighbours
 * @throws {@link KosError} KOS_CLI_CONFIG_TEXT where the text is written in a way that this cannot change
 */
export function changeValues(text: string, replacements: readonly Replacement[]): string {
  let changed = text
  for (const { path, value } of replacements) {
    const { root, problems } = readYaml(changed)
    const next = problems.length === 0 ? changeOne(changed, root, { path, value }) : undefined
    const isMeant =
      next !== undefined &&
      isDeepStrictEqual(plainText(next), withValue(root && plainOf(root), path, value))
    if (!isMeant) throw cliErrors.error('KOS_CLI_CONFIG_TEXT', { path: path.join('.') })
    changed = next
  }
  return changed
}

/**
 * Takes a value out of the text of a configuration with the lines that are its own, and with it the maps
 * that it leaves empty.
 *
 * @param path - of a value that is there
 * @throws {@link KosError} KOS_CLI_CONFIG_TEXT where the text is written in a way that this cannot change
 */
export function removeValue(text: string, path: readonly string[]): string {
  const { root } = readYaml(text)
  const parent = path.length === 1 ? root : findEntry(root, path.slice(0, -1))?.value
  const isLast = parent?.kind === 'map' && parent.entries.length === 1 && path.length > 1
  if (isLast) return removeValue(text, path.slice(0, -1))
  const entry = findEntry(root, path)
  const changed = entry && parent?.kind === 'map' && !parent.isFlow ? without(text, entry) : text
  const left = plainText(changed)
  const meant = root && withoutValue(plainOf(root), path)
  const isEmpty = left === undefined && isDeepStrictEqual(meant, Object.create(null))
  if (isEmpty || isDeepStrictEqual(left, meant)) return changed
  throw cliErrors.error('KOS_CLI_CONFIG_TEXT', { path: path.join('.') })
}

function without(text: string, entry: YamlEntry): string {
  const start = text.lastIndexOf('\n', entry.nameSpan[0] - 1) + 1
  const end = endOf(entry)
  const behind = text.charAt(end - 1) === '\n' ? end : endOfLine(text, end)
  return splice(text, [start, behind], '')
}

function withoutValue(plain: unknown, path: readonly string[]): unknown {
  const [name = '', ...rest] = path
  const left: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [key, child] of Object.entries(isRecord(plain) ? plain : {})) {
    if (key !== name) left[key] = child
    else if (rest.length > 0) left[key] = withoutValue(child, rest)
  }
  return left
}

function plainText(text: string): unknown {
  const { root } = readYaml(text)
  return root && plainOf(root)
}

function changeOne(
  text: string,
  root: YamlMap | undefined,
  { path, value }: Replacement,
): string | undefined {
  const entry = findEntry(root, path)
  if (entry) return replaceValue(text, entry, value)
  let depth = path.length - 1
  while (depth > 0 && !findEntry(root, path.slice(0, depth))) depth -= 1
  const rest = path.slice(depth)
  const parent = depth === 0 ? undefined : findEntry(root, path.slice(0, depth))
  const map = parent ? parent.value : root
  if (map === undefined) return `${wholeLines(text)}${linesOf(rest, value, '')}`
  if (map.kind === 'map') {
    return map.isFlow
      ? insertInFlow(text, map, { rest, value })
      : insertBehind(text, map, { rest, value })
  }
  const isEmpty = parent !== undefined && map.span[0] === map.span[1]
  if (!isEmpty) return undefined
  const indent = `${indentOf(text, parent)}  `
  return insertLines(text, endOfLine(text, parent.behind), linesOf(rest, value, indent))
}

function replaceValue(text: string, entry: YamlEntry, value: NewValue): string {
  const { value: old, behind } = entry
  const [start, end] = old.span
  const isEmpty = start === end
  if (isEmpty) return splice(text, [behind, behind], ` ${valueText(text, entry, value)}`)
  const body = text.slice(start, end)
  if (old.kind === 'scalar' && !/^[|>]/.test(body)) {
    return splice(text, old.span, valueText(text, entry, value))
  }
  // A block has its comment in the first line, and its line end is the next line's as well.
  const comment = /^[|>][^\n#]*?( +#[^\n\r]*)?(?:\r?\n|$)/.exec(body)?.[1] ?? ''
  const written = comment === '' ? valueText(text, entry, value) : scalarText(value, false)
  return splice(text, [behind, start + body.trimEnd().length], ` ${written}${comment}`)
}

/** Names that are not there yet, and the value behind them. */
interface Insertion {
  readonly rest: readonly string[]
  readonly value: NewValue
}

/** Behind the last entry of a map of lines. */
function insertBehind(text: string, map: YamlMap, { rest, value }: Insertion): string | undefined {
  const [first] = map.entries
  const last = map.entries.at(-1)
  if (!first || !last) return undefined
  const end = endOf(last)
  const at = text.charAt(end - 1) === '\n' ? end : endOfLine(text, end)
  return insertLines(text, at, linesOf(rest, value, indentOf(text, first)))
}

function insertInFlow(text: string, map: YamlMap, { rest, value }: Insertion): string {
  const inner = rest
    .slice(1)
    .reduceRight((written, name) => `{ ${name}: ${written} }`, scalarText(value, true))
  const written = `${rest[0] ?? ''}: ${inner}`
  const last = map.entries.at(-1)
  if (!last) return splice(text, map.span, `{ ${written} }`)
  const end = endOf(last)
  return splice(text, [end, end], `, ${written}`)
}

function endOf({ behind, value }: YamlEntry): number {
  return value.span[0] === value.span[1] ? behind : value.span[1]
}

/** Lines go between lines: the ones before end with a line feed. */
function insertLines(text: string, at: number, lines: string): string {
  return `${wholeLines(text.slice(0, at))}${lines}${text.slice(at)}`
}

function wholeLines(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

function endOfLine(text: string, from: number): number {
  const at = text.indexOf('\n', from)
  return at < 0 ? text.length : at + 1
}

function linesOf(names: readonly string[], value: NewValue, indent: string): string {
  const lines = names.map((name, depth) => `${indent}${'  '.repeat(depth)}${name}:`)
  return `${lines.join('\n')} ${scalarText(value, false)}\n`
}

function splice(text: string, [start, end]: Span, written: string): string {
  return `${text.slice(0, start)}${written}${text.slice(end)}`
}

function indentOf(text: string, { nameSpan: [start] }: YamlEntry): string {
  return text.slice(text.lastIndexOf('\n', start - 1) + 1, start).replaceAll(/[^ ]/g, ' ')
}

/** Texts of several lines read better as lines, where nothing else stands on the line of the name. */
function valueText(text: string, entry: YamlEntry, value: NewValue): string {
  const { nameSpan, behind } = entry
  const before = text.slice(text.lastIndexOf('\n', nameSpan[0] - 1) + 1, behind)
  const after = text.slice(endOf(entry), endOfLine(text, endOf(entry) - 1))
  const isAlone = /^ *[\w-]+:$/.test(before) && after.trim() === ''
  if (isAlone && typeof value === 'string' && isBlockText(value)) {
    const indent = `${indentOf(text, entry)}  `
    const mark = value.endsWith('\n') ? '|' : '|-'
    return `${mark}\n${indent}${value.trimEnd().replaceAll('\n', `\n${indent}`)}`
  }
  return scalarText(value, !/^ *[\w-]+:$/.test(before))
}

/** Such as a key in PEM: lines of visible characters. */
function isBlockText(value: string): boolean {
  return /^(?:[!-~](?:[ -~]*[!-~])?\n)+(?:[!-~](?:[ -~]*[!-~])?)?$/.test(value)
}

/** A value on one line; texts without quotes where that says the same. */
function scalarText(value: NewValue, isFlow: boolean): string {
  if (typeof value === 'object') {
    return `[${value.map((item) => scalarText(item, true)).join(', ')}]`
  }
  if (typeof value !== 'string') return String(value)
  const isPlain = /^[\w./][\w./:@+-]*$/.test(value) && saysItself(value, isFlow)
  return isPlain ? value : quoted(value)
}

function saysItself(value: string, isFlow: boolean): boolean {
  const { root } = readYaml(isFlow ? `a: [${value}]` : `a: ${value}`)
  const entry = findEntry(root, ['a'])
  const read = entry && plainOf(entry.value)
  return isDeepStrictEqual(read, isFlow ? [value] : value)
}

/** @see YAML 1.2.2 section 7.3.1: double-quoted texts are those of JSON, and more */
function quoted(value: string): string {
  return JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function withValue(plain: unknown, path: readonly string[], value: NewValue): unknown {
  const [name, ...rest] = path
  if (name === undefined) return typeof value === 'object' ? [...value] : value
  const known = isRecord(plain) ? plain : {}
  const changed: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [key, child] of Object.entries(known)) changed[key] = child
  changed[name] = withValue(known[name], rest, value)
  return changed
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value at a path as plain data. */
export function valueAt(root: YamlMap | undefined, path: readonly string[]): unknown {
  const value: YamlValue | undefined = path.length === 0 ? root : findEntry(root, path)?.value
  return value && plainOf(value)
}
