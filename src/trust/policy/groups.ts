import { parseSelector } from './selector.ts'

type Groups = Readonly<Record<string, readonly (string | readonly string[])[]>>

/**
 * Finds a group that contains itself, directly or through others.
 *
 * @param groups - name → members
 * @returns the name of a group on a cycle, or `undefined`
 */
export function groupCycle(groups: Groups): string | undefined {
  const contained = new Map<string, readonly string[]>()
  for (const [name, members] of Object.entries(groups)) contained.set(name, groupsIn(members))
  const open = withoutAcyclic(contained)
  let [name] = open
  // Every open group contains an open one, so walking on must come back.
  for (const walked = new Set<string>(); name !== undefined;) {
    if (walked.has(name)) return name
    walked.add(name)
    name = contained.get(name)?.find((inner) => open.has(inner))
  }
  return undefined
}

/** What is left after taking away, again and again, the groups that contain no group that is left. */
function withoutAcyclic(contained: ReadonlyMap<string, readonly string[]>): Set<string> {
  const containers = new Map<string, string[]>()
  const missing = new Map<string, number>()
  for (const [name, inner] of contained) {
    const known = inner.filter((other) => contained.has(other))
    missing.set(name, known.length)
    for (const other of known) {
      const list = containers.get(other)
      if (list === undefined) containers.set(other, [name])
      else list.push(name)
    }
  }
  const open = new Set(contained.keys())
  const ready = [...open].filter((name) => missing.get(name) === 0)
  for (let name = ready.pop(); name !== undefined; name = ready.pop()) {
    open.delete(name)
    for (const outer of containers.get(name) ?? []) {
      const left = (missing.get(outer) ?? 0) - 1
      missing.set(outer, left)
      if (left === 0) ready.push(outer)
    }
  }
  return open
}

function groupsIn(members: readonly (string | readonly string[])[]): readonly string[] {
  return members
    .flat()
    .map((text) => parseSelector(text) ?? '')
    .filter((selector) => selector.startsWith('group:'))
    .map((selector) => selector.slice('group:'.length))
}
