/**
 * The hottest functions of CPU profiles, as shares of the time that was not idle:
 * `node bench/hottest.ts <file.cpuprofile> …` (made by `npm run bench -- echo --profile <folder>`).
 */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const ROOT = join(import.meta.dirname, '..')

/** A call-tree node of the V8 profile format. */
interface ProfileNode {
  readonly id: number
  readonly callFrame: {
    readonly functionName: string
    readonly url: string
    readonly lineNumber: number
  }
  readonly children?: readonly number[]
}

interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const NATIVE = /^\((?:idle|program|garbage collector)\)$/

interface Cost {
  selfUs: number
  totalUs: number
}

function place({ callFrame }: ProfileNode): string {
  const { functionName, url, lineNumber } = callFrame
  const path = url.startsWith('file:') ? relative(ROOT, fileURLToPath(url)) : url
  return `${functionName || '(anonymous)'} ${path}${path ? `:${lineNumber + 1}` : ''}`
}

/** Self and total time by function; a recursive function counts once. */
function costs(profile: Profile): { readonly costs: Map<string, Cost>; readonly busyUs: number } {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]))
  const selfUs = new Map<number, number>()
  profile.samples.forEach((id, index) => {
    selfUs.set(id, (selfUs.get(id) ?? 0) + (profile.timeDeltas[index] ?? 0))
  })
  const found = new Map<string, Cost>()
  let busyUs = 0
  const walk = (node: ProfileNode, above: ReadonlySet<string>): number => {
    const name = place(node)
    const self = selfUs.get(node.id) ?? 0
    if (name.startsWith('(idle)') || name.startsWith('(program)')) {
      if (name.startsWith('(program)')) busyUs += self
      return 0
    }
    busyUs += self
    const cost = found.get(name) ?? { selfUs: 0, totalUs: 0 }
    found.set(name, cost)
    const within = new Set(above).add(name)
    let totalUs = self
    for (const id of node.children ?? []) {
      const child = byId.get(id)
      if (child) totalUs += walk(child, within)
    }
    cost.selfUs += self
    if (!above.has(name)) cost.totalUs += totalUs
    return totalUs
  }
  const [root] = profile.nodes
  if (root) walk(root, new Set())
  return { costs: found, busyUs }
}

/** Self time by folder of the project; what Node and V8 do counts for the code that asked. */
function folders({ nodes, samples, timeDeltas }: Profile): Map<string, number> {
  const found = new Map<string, number>()
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const folderOf = new Map<number, string>()
  const walk = (node: ProfileNode, above: string): void => {
    const path = /^\S+ ((?:src|bench|node_modules)\/.*)\/[^/]+$/.exec(place(node))?.[1]
    const native = NATIVE.exec(node.callFrame.functionName)?.[0]
    folderOf.set(node.id, native ?? path ?? above)
    for (const id of node.children ?? []) {
      const child = byId.get(id)
      if (child) walk(child, folderOf.get(node.id) ?? above)
    }
  }
  const [root] = nodes
  if (root) walk(root, 'node')
  samples.forEach((id, index) => {
    const folder = folderOf.get(id) ?? 'node'
    found.set(folder, (found.get(folder) ?? 0) + (timeDeltas[index] ?? 0))
  })
  found.delete('(idle)')
  return found
}

function print(file: string, top: number): void {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile
  const { costs: found, busyUs } = costs(profile)
  const share = (us: number): string => `${((us * 100) / busyUs).toFixed(1).padStart(5)} %`
  console.log(`${file}: by folder`)
  for (const [name, us] of [...folders(profile)].toSorted(([, a], [, b]) => b - a)) {
    if (us > 0) console.log(`  ${share(us)}  ${name}`)
  }
  for (const key of ['selfUs', 'totalUs'] as const) {
    console.log(`${file}: ${key === 'selfUs' ? 'self' : 'with callees'}`)
    const rows = [...found].toSorted(([, a], [, b]) => b[key] - a[key]).slice(0, top)
    for (const [name, cost] of rows) console.log(`  ${share(cost[key])}  ${name}`)
  }
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { top: { type: 'string', default: '25' } },
})
for (const file of positionals) print(file, Number(values.top))
