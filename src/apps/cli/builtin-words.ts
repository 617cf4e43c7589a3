/** What a word of the command line stands for; `array`: the last ones, as texts. */
export type WordType = 'string' | 'number' | 'boolean' | 'array'

/** How the words of a command line become the arguments of a call. */
export interface CommandWords {
  readonly name: string
  /** Name and type of the argument that each word gives, in their order. */
  readonly positional: readonly (readonly [name: string, type: WordType])[]
  /** Its result is a stream, or nothing. */
  readonly streams?: boolean
}

/**
 * The built-in commands as the command line sees them. Written down, not asked of the catalog: its
 * schemas cost more to load than a call takes. A test holds it equal to the catalog.
 */
export const BUILTIN_WORDS: readonly CommandWords[] = [
  { name: 'calc', positional: [['expression', 'string']] },
  { name: 'echo', positional: [['value', 'string']] },
  { name: 'files.fetch', positional: [['path', 'string']], streams: true },
  { name: 'files.list', positional: [['path', 'string']] },
  { name: 'files.read', positional: [['path', 'string']] },
  {
    name: 'process.run',
    positional: [
      ['program', 'string'],
      ['arguments', 'array'],
    ],
  },
  { name: 'system.info', positional: [] },
  { name: 'system.status', positional: [] },
  { name: 'commands.list', positional: [] },
  { name: 'commands.show', positional: [['name', 'string']] },
  {
    name: 'policy.explain',
    positional: [
      ['command', 'string'],
      ['from', 'string'],
    ],
  },
]
