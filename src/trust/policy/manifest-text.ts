import { parseJson, type PrincipalUri, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { Condition } from './condition.ts'
import { type Manifest, parseManifest, type Rule, type SelectorList } from './manifest.ts'
import { isSelectorWord } from './selector.ts'

/** How names and principals find one another: the directory, as far as texts need it. */
export interface ManifestNames {
  /** URI of a name; `undefined` when no principal has it. */
  uriOf(name: string): PrincipalUri | undefined
}

const MAX_JSON_BYTES = 32 * 1024 * 1024
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z$/

/**
 * Parses the operator's form of a manifest: JSON with the fields of {@link Manifest}, and two
 * comforts: `notAfter` may be a time such as `2027-01-01T00:00:00Z`, and a selector may be
 * `name:camera-1`. Names become URIs here: a manifest that is signed never depends on who bears a
 * name later.
 *
 * @param text - JSON, at most 32 MiB
 * @param names - the directory
 * @returns the manifest, or a refusal KOS_POLICY_MANIFEST, _SIZE, _LAYER or _CYCLE that names the field
 */
export function parseManifestJson(text: string, names: ManifestNames): Manifest | Refusal {
  const json = parseJson(text, MAX_JSON_BYTES)
  if (!json.allow) return refuse('KOS_POLICY_MANIFEST', json.rule)
  if (!isRecord(json.value)) return parseManifest(json.value)
  const unknown = new Set<string>()
  const selector = (value: unknown): unknown => {
    if (typeof value !== 'string' || !value.startsWith('name:')) return value
    const name = value.slice('name:'.length)
    const uri = isSelectorWord(name) ? names.uriOf(name) : undefined
    if (uri === undefined && isSelectorWord(name)) unknown.add(name)
    return uri === undefined ? value : `uri:${uri}`
  }
  const body = withoutNames(json.value, selector)
  const [name] = unknown
  if (name === undefined) return parseManifest(body)
  return refuse('KOS_POLICY_MANIFEST', `names: ${name} is unknown`, {
    remedy: `A principal named ${name} would have to stand in the directory.`,
  })
}

/** The operator's form of a manifest, which {@link parseManifestJson} reads back. */
export function manifestToJson(manifest: Manifest): string {
  const shown = { ...manifest, notAfter: new Date(manifest.notAfter).toISOString() }
  return `${JSON.stringify(shown, undefined, 2)}\n`
}

/**
 * A manifest as lines for a person, rules in the order of their ids.
 *
 * @param manifest - as returned by `parseManifest` or held by the engine
 */
export function manifestToText(manifest: Manifest): string {
  const { apiVersion, kind, subject, notAfter, groups, rules } = manifest
  const lines = [
    `${kind} manifest (${apiVersion}) for ${subject}, until ${new Date(notAfter).toISOString()}`,
  ]
  for (const [name, members] of Object.entries(groups).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(`group ${name} = ${selectorText(members)}`)
  }
  for (const rule of rules.toSorted((a, b) => (a.id < b.id ? -1 : 1))) lines.push(ruleText(rule))
  return `${lines.join('\n')}\n`
}

function withoutNames(
  root: Readonly<Record<string, unknown>>,
  selector: (value: unknown) => unknown,
): unknown {
  const list = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map((item: unknown) => (Array.isArray(item) ? item.map(selector) : selector(item)))
      : value
  const rule = (value: unknown): unknown =>
    isRecord(value) ? { ...value, from: list(value['from']), to: list(value['to']) } : value
  const { rules, groups } = root
  return {
    ...root,
    subject: selector(root['subject']),
    notAfter: instant(root['notAfter']),
    rules: Array.isArray(rules) ? rules.map(rule) : rules,
    groups: isRecord(groups)
      ? Object.fromEntries(Object.entries(groups).map(([name, members]) => [name, list(members)]))
      : groups,
  }
}

/** A time as milliseconds; a date that the calendar does not have stays text and is refused. */
function instant(value: unknown): unknown {
  if (typeof value !== 'string' || !TIME.test(value)) return value
  const date = new Date(value)
  const real = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value.slice(0, 19))
  return real ? date.getTime() : value
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Alternatives as a person reads them: `group:a and kind:b or role:c`. */
export function selectorText(list: SelectorList): string {
  return list.map((item) => (typeof item === 'string' ? item : item.join(' and '))).join(' or ')
}

function ruleText(rule: Rule): string {
  const { id, effect, domain, from, to, actions, effects, when, limits, obligations } = rule
  const parts = [
    `${effect} ${id}: ${domain} ${actions.join(' or ')}`,
    effects === undefined ? '' : `(${effects})`,
    `from ${selectorText(from)} to ${selectorText(to)}`,
    when === undefined ? '' : `when ${when.map(conditionText).join(' and ')}`,
    limits === undefined ? '' : `at most ${limits.perMinute}/min, burst ${limits.burst}`,
    obligations === undefined ? '' : `with ${obligations.join(', ')}`,
  ]
  return parts.filter((part) => part !== '').join(' ')
}

/** A condition as a person reads it: `path under /srv`. */
export function conditionText(condition: Condition): string {
  const { argument } = condition
  if ('pathPrefix' in condition) return `${argument} under ${condition.pathPrefix}`
  if ('equals' in condition) return `${argument} = ${JSON.stringify(condition.equals)}`
  if ('oneOf' in condition) return `${argument} in ${JSON.stringify(condition.oneOf)}`
  const { min, max } = condition.range
  return `${argument} from ${min ?? 'any'} to ${max ?? 'any'}`
}
