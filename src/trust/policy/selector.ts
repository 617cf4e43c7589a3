import { parseDeviceId, parsePrincipal, PRINCIPAL_KINDS } from '../../foundation/base/index.ts'
import {
  atLeast,
  parseProfileName,
  PROFILE_NAMES,
  type ProfileName,
  profileOf,
} from '../../foundation/profiles/index.ts'
import type { SubjectFacts } from './subject.ts'

/** Matches every principal. */
export const ANY = 'any'
/** Matches the pair in which the caller owns the target. */
export const OWNER = 'owner'

const WORD = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/
// No `=` in a key or a value, so that no label of a principal reads as another selector.
const LABEL = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}=[A-Za-z0-9._:/-]{0,128}$/

/** Tag of a selector → its canonical value, or `undefined` when the value is not one. */
const VALUES: ReadonlyMap<string, (value: string) => string | undefined> = new Map([
  ['uri', (value: string) => parsePrincipal(value)?.uri],
  ['id', canonicalId],
  ['kind', (value: string) => PRINCIPAL_KINDS.find((kind) => kind === value)],
  ['role', (value: string) => (WORD.test(value) ? value : undefined)],
  ['group', (value: string) => (WORD.test(value) ? value : undefined)],
  ['label', (value: string) => (LABEL.test(value) ? value : undefined)],
  ['profile', parseProfileName],
])

/** Whether a text can name a role or a group. */
export function isSelectorWord(text: string): boolean {
  return WORD.test(text)
}

/**
 * Parses one selector: `any`, `owner`, `uri:…`, `id:<kind>/<id>` or `id:<device id>`, `kind:…`,
 * `role:…`, `group:…`, `label:<key>=<value>`, `profile:<at least>`.
 *
 * @returns its canonical text, or `undefined` when the text is not a selector
 */
export function parseSelector(text: string): string | undefined {
  if (text === ANY || text === OWNER) return text
  const colon = text.indexOf(':')
  const value = VALUES.get(text.slice(0, colon))?.(text.slice(colon + 1))
  return value === undefined ? undefined : `${text.slice(0, colon)}:${value}`
}

/** A bare device id means the device; another kind could carry the same text as its id. */
function canonicalId(value: string): string | undefined {
  if (parseDeviceId(value) !== undefined) return `device/${value}`
  return parsePrincipal(`spiffe://any/${value}`) === undefined ? undefined : value
}

const profileAtoms = (name: ProfileName): readonly string[] =>
  PROFILE_NAMES.filter((floor) => atLeast(profileOf(name), profileOf(floor))).map(
    (floor) => `profile:${floor}`,
  )

/** `profile:SEC-n` means "at least": a principal matches its own profile and every weaker one. */
const PROFILE_ATOMS: ReadonlyMap<string, readonly string[]> = new Map(
  PROFILE_NAMES.map((name) => [name, profileAtoms(name)]),
)

/**
 * All selectors that match a principal by itself. Groups are those of the directory; a manifest
 * that defines a group of that name overrules them.
 */
export function selectorsOf(facts: SubjectFacts): readonly string[] {
  const selectors = [ANY, `uri:${facts.uri}`, `id:${facts.kind}/${facts.id}`, `kind:${facts.kind}`]
  for (const role of facts.roles) selectors.push(`role:${role}`)
  for (const group of facts.groups) selectors.push(`group:${group}`)
  for (const [key, value] of Object.entries(facts.labels ?? {})) {
    selectors.push(`label:${key}=${value}`)
  }
  selectors.push(...(PROFILE_ATOMS.get(facts.floor.name) ?? []))
  return selectors
}
