import { BoundedCache } from './bounded-cache.ts'
import { ANY, OWNER, parseSelector, selectorsOf } from './selector.ts'
import { isFrozenSubject, type SubjectFacts } from './subject.ts'
import type { Manifest, SelectorList } from './manifest.ts'

/** A selector as a small integer, numbered per manifest. */
export type Atom = number

/** The atom of `any`. */
export const ANY_ATOM: Atom = 0
/** The atom of `owner`: it belongs to a pair, never to one principal. */
export const OWNER_ATOM: Atom = 1

/**
 * One alternative of a selector list. `key` is the atom it is found by, `rest` what else must match:
 * empty for a single selector.
 */
export interface Alternative {
  readonly key: Atom
  readonly rest: readonly Atom[]
}

interface GroupMember {
  readonly group: Atom
  readonly rest: readonly Atom[]
}

const NOTHING: readonly Atom[] = Object.freeze([])
/** Principals whose atoms are kept, in each of two generations. */
const MAX_SUBJECTS = 4096

/**
 * The selectors of one manifest as numbers, and its groups. A principal becomes the list of atoms
 * that match it: selectors that no rule and no group mentions vanish, so the list stays short.
 */
export class AtomTable {
  readonly #atoms = new Map<string, Atom>([
    [ANY, ANY_ATOM],
    [OWNER, OWNER_ATOM],
  ])
  /** How often an atom occurs in the manifest: an alternative is found by its rarest. */
  readonly #uses: number[] = [0, 0]
  readonly #members = new Map<Atom, GroupMember[]>()
  readonly #definedGroups: ReadonlySet<string>
  readonly #subjects = new BoundedCache<SubjectFacts, readonly Atom[]>(MAX_SUBJECTS)

  /** Numbers all selectors of a manifest and compiles its groups. */
  constructor(manifest: Manifest) {
    const groups = Object.entries(manifest.groups)
    this.#definedGroups = new Set(groups.map(([name]) => `group:${name}`))
    for (const { from, to } of manifest.rules) {
      this.#count(from)
      this.#count(to)
    }
    for (const [, members] of groups) this.#count(members)
    for (const [name, members] of groups) this.#compileGroup(this.#atomOf(`group:${name}`), members)
  }

  /** The alternatives of a selector list, each with the atom that narrows most in front. */
  alternatives(list: SelectorList): readonly Alternative[] {
    return list.map((item) => {
      if (typeof item === 'string') return { key: this.#atomOf(item), rest: NOTHING }
      const atoms = item.map((text) => this.#atomOf(text))
      const key = atoms.reduce((best, atom) =>
        this.#usesOf(atom) < this.#usesOf(best) ? atom : best,
      )
      return { key, rest: atoms.filter((atom) => atom !== key) }
    })
  }

  /** The atoms that match a principal, its groups of this manifest included. */
  atomsOf(facts: SubjectFacts): readonly Atom[] {
    const known = this.#subjects.get(facts)
    if (known !== undefined) return known
    const atoms = this.#compileSubject(facts)
    if (isFrozenSubject(facts)) this.#subjects.set(facts, atoms)
    return atoms
  }

  #compileSubject(facts: SubjectFacts): readonly Atom[] {
    const atoms: Atom[] = []
    for (const selector of selectorsOf(facts)) {
      // A group that the manifest defines is exactly what the manifest says.
      if (this.#definedGroups.has(selector)) continue
      const atom = this.#atoms.get(selector)
      if (atom !== undefined && !atoms.includes(atom)) atoms.push(atom)
    }
    // Groups add atoms, which can complete members of other groups: until nothing is added.
    for (let before = -1; before !== atoms.length;) {
      before = atoms.length
      this.#addGroups(atoms)
    }
    return atoms
  }

  #addGroups(atoms: Atom[]): void {
    for (let index = 0; index < atoms.length; index += 1) {
      for (const { group, rest } of this.#members.get(atoms[index] ?? ANY_ATOM) ?? []) {
        if (!atoms.includes(group) && rest.every((atom) => atoms.includes(atom))) atoms.push(group)
      }
    }
  }

  #compileGroup(group: Atom, members: SelectorList): void {
    for (const { key, rest } of this.alternatives(members)) {
      const list = this.#members.get(key)
      if (list === undefined) this.#members.set(key, [{ group, rest }])
      else list.push({ group, rest })
    }
  }

  #count(list: SelectorList): void {
    for (const text of list.flat()) {
      const atom = this.#atomOf(text)
      this.#uses[atom] = this.#usesOf(atom) + 1
    }
  }

  #usesOf(atom: Atom): number {
    // `any` narrows nothing, however rare it is.
    return atom === ANY_ATOM ? Infinity : (this.#uses[atom] ?? 0)
  }

  #atomOf(text: string): Atom {
    const selector = parseSelector(text) ?? text
    let atom = this.#atoms.get(selector)
    if (atom === undefined) this.#atoms.set(selector, (atom = this.#atoms.size))
    return atom
  }
}
