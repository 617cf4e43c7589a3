import { refuse, type Refusal } from '../../foundation/base/index.ts'
import type { JsonSchema } from './command.ts'
import type { FileProblem } from './user-schema.ts'

/** A word of a program's command line, or words that are left out together. */
export type TemplateEntry = string | readonly string[]

/** The words of a program's command line, as a file gives them. */
export interface Template {
  readonly entries: readonly TemplateEntry[]
  /** Arguments whose values may begin with a hyphen. */
  readonly allowHyphen: readonly string[]
}

const PLACEHOLDER = /^\{([A-Za-z_][A-Za-z0-9_-]{0,63})\}$/

/**
 * Checks a template against the arguments of its command.
 *
 * @param template - as the file gives it
 * @param schema - of the arguments
 * @param problems - takes what is wrong
 */
export function checkTemplate(
  template: Template,
  schema: JsonSchema,
  problems: FileProblem[],
): void {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, unknown>>
  const required = new Set<unknown>(Array.isArray(schema['required']) ? schema['required'] : [])
  const check = (word: string, pointer: string): void => {
    const problem = wordProblem(word, properties)
    if (problem !== undefined) problems.push({ pointer, problem })
  }
  template.entries.forEach((entry, index) => {
    const pointer = `/run/arguments/${index}`
    if (typeof entry !== 'string') {
      entry.forEach((word, inner) => check(word, `${pointer}/${inner}`))
      return
    }
    check(entry, pointer)
    const name = placeholderOf(entry)
    const before = template.entries[index - 1]
    const isOption = typeof before === 'string' && /^-(?!-?$)/.test(before)
    if (name !== undefined && isOption && !required.has(name)) {
      const problem = `can be missing: write ["${before}", "${entry}"] as a list, so that both go`
      problems.push({ pointer, problem })
    }
  })
  template.allowHyphen.forEach((name, index) => {
    if (Object.hasOwn(properties, name)) return
    problems.push({ pointer: `/run/allowHyphen/${index}`, problem: 'is not an argument' })
  })
}

function wordProblem(
  word: string,
  properties: Readonly<Record<string, unknown>>,
): string | undefined {
  const name = placeholderOf(word)
  if (name === undefined) {
    return /[{}]/.test(word.replaceAll(/\{\{|\}\}/g, ''))
      ? 'has a brace: a placeholder is a whole word, and a brace itself is doubled'
      : undefined
  }
  if (!Object.hasOwn(properties, name)) return `names "${name}", which is not an argument`
  return isScalar(properties[name]) || isScalar(itemsOf(properties[name]))
    ? undefined
    : `names "${name}", which is neither a plain value nor a list of plain values`
}

/** The argument that a word stands for; `undefined` for a literal. */
function placeholderOf(word: string): string | undefined {
  return PLACEHOLDER.exec(word)?.[1]
}

function itemsOf(schema: unknown): unknown {
  return typeof schema === 'object' && schema !== null && 'items' in schema
    ? schema.items
    : undefined
}

/** Whether every value of a schema is a text, a number or a boolean. */
function isScalar(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return false
  if ('anyOf' in schema) return Array.isArray(schema.anyOf) && schema.anyOf.every(isScalar)
  const values = valuesOf(schema)
  if (values) return values.every((value) => value !== null)
  const type = 'type' in schema ? schema.type : undefined
  return type === 'string' || type === 'integer' || type === 'number' || type === 'boolean'
}

function valuesOf(schema: object): readonly unknown[] | undefined {
  if ('enum' in schema && Array.isArray(schema.enum)) return schema.enum as readonly unknown[]
  return 'const' in schema ? [schema.const] : undefined
}

/**
 * Puts the arguments of a call into a template. A value is always one whole word: it is never split,
 * joined or read by a shell. A list gives one word per item; an entry that names a missing argument is
 * left out as a whole.
 *
 * @param template - checked by {@link checkTemplate}
 * @param values - arguments that fit the schema
 * @returns the words, or a refusal KOS_CATALOG_ARGUMENTS when a value begins with a hyphen, which a
 *   program could take for an option, and the template does not allow that
 */
export function fillTemplate(
  template: Template,
  values: Readonly<Record<string, unknown>>,
): readonly string[] | Refusal {
  const words: string[] = []
  for (const entry of template.entries) {
    const filled: string[] = []
    let isComplete = true
    for (const word of typeof entry === 'string' ? [entry] : entry) {
      const name = placeholderOf(word)
      if (name === undefined) {
        filled.push(word.replaceAll('{{', '{').replaceAll('}}', '}'))
        continue
      }
      const value = values[name]
      if (value === undefined) isComplete = false
      for (const text of textsOf(value)) {
        if (text.startsWith('-') && !template.allowHyphen.includes(name)) return optionRefusal(name)
        filled.push(text)
      }
    }
    if (isComplete) words.push(...filled)
  }
  return words
}

function textsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(textsOf)
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? [String(value)]
    : []
}

function optionRefusal(name: string): Refusal {
  return refuse('KOS_CATALOG_ARGUMENTS', `arguments.${name}: looks like an option`, {
    remedy: `Give a value of ${name} that does not begin with a hyphen.`,
  })
}
