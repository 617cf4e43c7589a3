/** YAML as a configuration has it: what is refused, where, what a change leaves alone, and what a crash leaves. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { readConfigFile, writeConfigFile } from '../../../../src/apps/cli/config/file.ts'
import { rotate, type RotationFile } from '../../../../src/apps/cli/config/rotate.ts'
import {
  changeValues,
  type NewValue,
  removeValue,
  valueAt,
} from '../../../../src/apps/cli/config/text.ts'
import {
  MAX_CONFIG_BYTES,
  plainOf,
  readYaml,
  shownName,
} from '../../../../src/apps/cli/config/yaml.ts'
import { isRefusal, Secret, systemRandom, utf8 } from '../../../../src/foundation/base/index.ts'
import { openValueKeys, type ValueKeys } from '../../../../src/trust/keys/index.ts'
import { createKeyFolder } from '../../../kit/key-store.ts'

const LF = '\n'

describe('refused, with its place', () => {
  const refused: readonly (readonly [text: string, place: string, problem: RegExp])[] = [
    ['a: 1\nb: 2\na: 3', '3:1', /"a" is there twice/],
    ['a: &x 1', '1:4', /anchors/],
    ['a: 1\nb: *x', '2:4', /aliases/],
    ['a: !!str x', '1:4', /tags/],
    ['a: !!js/function "x"', '1:4', /tags/],
    ['%YAML 1.1\n---\na: 1', '1:1', /directives/],
    ['? a\n: 1', '1:1', /explicit keys/],
    ['? [a]\n: 1', '1:1', /explicit keys/],
    ['[a]: 1', '1:1', /a name is no text/],
    ['a:\t1', '1:3', /a tab/],
    ['a:\n\tb: 1', '2:1', /a tab/],
    ['a: 1\n---\nb: 1', '2:1', /a second document/],
    ['a: "x', '1:6', /not closed/],
    ['a: {b: 1', '1:9', /bracket is not closed/],
    ['a: b: c', '1:4', /a second ":"/],
    ['a:\n  b: 1\n c: 2', '3:1', /not indented/],
    ['a: @x', '1:4', /not YAML/],
    ['a: .nan', '1:4', /number/],
    ['a: -.inf', '1:4', /number/],
    ['a: 1e999', '1:4', /number/],
    ['a: 12345678901234567890', '1:4', /number/],
    ['- a', '1:1', /is a map/],
    ['a', '1:1', /is a map/],
    ['a: "\u0000"', '1:5', /control character/],
    ['a: x\u202ey', '1:5', /control character/],
    ['a: \ud800', '1:4', /control character/],
    ['a: 1\rb: 2', '1:5', /control character/],
    ['a: x\ufeff', '1:5', /control character/],
    [`a: ${'['.repeat(20)}`, '1:12', /nested too deeply/],
    [Array.from({ length: 10 }, (_, n) => `${' '.repeat(n)}a:`).join(LF), '10:10', /too deeply/],
    ['- '.repeat(4000), '1:17', /nested too deeply/],
    ['a:\n'.repeat(9000), '2048:3', /too long/],
    [`# ${'x'.repeat(MAX_CONFIG_BYTES)}`, '1:1', /larger than/],
  ]
  for (const [text, place, problem] of refused) {
    test(JSON.stringify(text.slice(0, 40)), () => {
      const { root, problems } = readYaml(text)
      assert.equal(root, undefined)
      const [first] = problems
      assert.ok(first)
      assert.match(first.problem, problem)
      assert.equal(`${first.line}:${first.column}`, place)
    })
  }
})

test('what is accepted means one thing', () => {
  const text =
    '\ufeff---\n"__proto__": {constructor: yes}\n<<: 0x1F\nn: -1.5\nt: [true, ~, "q"]\ne:\n1: one\n'
  const { root, problems } = readYaml(text)
  assert.deepEqual(problems, [])
  assert.ok(root)
  assert.deepEqual(Object.entries(plainOf(root) as object), [
    ['1', 'one'],
    ['__proto__', Object.assign(Object.create(null) as object, { constructor: 'yes' })],
    ['<<', 31],
    ['n', -1.5],
    ['t', [true, null, 'q']],
    ['e', null],
  ])
  assert.deepEqual(valueAt(root, ['t']), [true, null, 'q'])
  assert.equal(valueAt(root, ['t', 'x']), undefined)
  for (const empty of ['', '# nothing\n', '---\n', '~\n']) {
    assert.deepEqual(readYaml(empty), { root: undefined, problems: [] })
  }
})

test('names of the file are repeated only when they are harmless', () => {
  assert.equal(shownName('listen'), '"listen"')
  assert.equal(shownName('a b'), 'this name')
})

const PEM = '-----BEGIN KEY-----\nabc def\n-----END KEY-----\n'

describe('a change leaves the rest alone', () => {
  const changes: readonly (readonly [before: string, path: string, NewValue, after: string])[] = [
    ['', 'a', 'x', 'a: x\n'],
    ['# c', 'a.b', 'x', '# c\na:\n  b: x\n'],
    ['a: 1 # c\nb:  2\n', 'a', 'true', 'a: "true" # c\nb:  2\n'],
    ['a: 1 # c\n\n# d\n', 'b', true, 'a: 1 # c\nb: true\n\n# d\n'],
    ['a: # c\n\nz: 1\n', 'a.b', 'x', 'a: # c\n  b: x\n\nz: 1\n'],
    ['a:\nz: 1', 'a', PEM, `a: |\n  ${PEM.trim().replaceAll(LF, '\n  ')}\nz: 1`],
    ['s:\n  a: "p" # k\n', 's.a', PEM, `s:\n  a: ${JSON.stringify(PEM)} # k\n`],
    ['s:\n  a: p\n', 's.a', 'x\ny', 's:\n  a: |-\n    x\n    y\n'],
    [
      's:\n    x: "y"   # n\n\n    q: |  # c\n      hi\n      there\n\n# end\nz: 1\n',
      's.q',
      'k:v',
      's:\n    x: "y"   # n\n\n    q: k:v  # c\n\n# end\nz: 1\n',
    ],
    ['s:\n  q: |\n    hi\n\n# e\n', 's.n', 1, 's:\n  q: |\n    hi\n  n: 1\n\n# e\n'],
    ['a: >-\n  x\n  y\nb: 1', 'a', 'z', 'a: z\nb: 1'],
    ['a: "x\n  y"\nb: 1', 'a', 'no', 'a: no\nb: 1'],
    ['s: {}\n', 's.a', 'x', 's: { a: x }\n'],
    ['s: {b: 1} # c\n', 's.a', ['x', 'y: z'], 's: {b: 1, a: [x, "y: z"]} # c\n'],
    ['{a: 1, s: {}}', 's.q.r', 'v', '{a: 1, s: { q: { r: v } }}'],
    ['l:\n- a\n- b\nz: 1', 'l', ['SEC-2'], 'l: [SEC-2]\nz: 1'],
    ['a:\r\n  b: 1\r\nc: 2\r\n', 'a.d', 'x', 'a:\r\n  b: 1\r\n  d: x\nc: 2\r\n'],
    ['---\na: 1\n...\n', 'b', '2', '---\na: 1\nb: "2"\n...\n'],
    ['a: x\n', 'a', '\u2028\u0085\u202e é', 'a: "\\u2028\\u0085\\u202e é"\n'],
    ['a: 1', 'b.c.d', '1e3', 'a: 1\nb:\n  c:\n    d: "1e3"\n'],
  ]
  for (const [before, path, value, after] of changes) {
    test(`${JSON.stringify(before.slice(0, 24))} ${path}`, () => {
      assert.equal(changeValues(before, [{ path: path.split('.'), value }]), after)
      // Once more it changes nothing.
      assert.equal(changeValues(after, [{ path: path.split('.'), value }]), after)
    })
  }

  test('what cannot be changed so is said, and not tried', () => {
    const hard: readonly (readonly [text: string, path: string])[] = [
      ['a: null\n', 'a.b'],
      ['a: text\n', 'a.b'],
      ['a: "x\n', 'b'],
    ]
    for (const [text, path] of hard) {
      assert.throws(() => changeValues(text, [{ path: path.split('.'), value: 'x' }]), {
        code: 'KOS_CLI_CONFIG_TEXT',
      })
    }
  })
})

describe('what is taken out takes its lines along', () => {
  const removals: readonly (readonly [before: string, path: string, after: string])[] = [
    ['a: 1 # c\n\n# d\nb: 2\n', 'a', '\n# d\nb: 2\n'],
    ['a: 1\nb: |\n  x\n  y\n\nc: 2', 'b', 'a: 1\n\nc: 2'],
    ['a: 1\ns:\n  x: 1\n  y: 2 # z\nb: 2', 's.y', 'a: 1\ns:\n  x: 1\nb: 2'],
    ['# h\na:\n  b:\n    c: 1\n', 'a.b.c', '# h\n'],
    ['a: 1\nl:\n- x\n- y\nb: 2\n', 'l', 'a: 1\nb: 2\n'],
    ['a:\nb: { c: 1 }\n', 'b.c', 'a:\n'],
    ['a:', 'a', ''],
  ]
  for (const [before, path, after] of removals) {
    test(`${JSON.stringify(before)} ${path}`, () => {
      assert.equal(removeValue(before, path.split('.')), after)
    })
  }

  test('where lines are shared it is not tried', () => {
    for (const [text, path] of [
      ['{ a: 1, b: 2 }', 'a'],
      ['s: { a: 1, b: 2 }', 's.a'],
    ] as const) {
      assert.throws(() => removeValue(text, path.split('.')), { code: 'KOS_CLI_CONFIG_TEXT' })
    }
  })
})

/** Of the one value of a file. */
const PATH = ['secrets', 'weather']
const VALUE = 'correct horse'

class Killed extends Error {}

/** Steps of a rotation, the process gone before or behind one of them. */
function killedAt(
  keys: ValueKeys,
  file: RotationFile,
  at: { readonly step: string; readonly isDone: boolean },
): { readonly keys: ValueKeys; readonly file: RotationFile } {
  const step = (name: string, run: () => void): void => {
    if (name !== at.step) return run()
    if (at.isDone) run()
    throw new Killed()
  }
  return {
    keys: {
      ...keys,
      addKey: () => step('addKey', () => keys.addKey()),
      dropOldKeys: () => step('dropOldKeys', () => keys.dropOldKeys()),
    },
    file: {
      reseal: () => file.reseal(),
      write: (text) => step('write', () => file.write(text)),
    },
  }
}

function world(context: TestContext): {
  readonly openKeys: () => { readonly keys: ValueKeys; readonly close: () => void }
  readonly file: (keys: ValueKeys) => RotationFile
  readonly value: (keys: ValueKeys) => string
  readonly path: string
} {
  const { folder, open } = createKeyFolder(context)
  const path = join(folder, 'value.yaml')
  const openText = (keys: ValueKeys): Secret => {
    const opened = keys.open(PATH, readFileSync(path, 'utf8'))
    assert.ok(!isRefusal(opened), JSON.stringify(opened))
    return opened
  }
  return {
    path,
    openKeys: () => {
      const store = open()
      return { keys: openValueKeys({ random: systemRandom }, store), close: () => store.close() }
    },
    file: (keys) => ({
      reseal: () => keys.seal(PATH, openText(keys)),
      write: (text) => {
        writeConfigFile({ random: systemRandom }, { path, before: readConfigFile(path) }, text)
      },
    }),
    value: (keys) => openText(keys).use((bytes) => Buffer.from(bytes).toString()),
  }
}

for (const step of ['addKey', 'write', 'dropOldKeys']) {
  for (const isDone of [false, true]) {
    test(`a rotation of the key killed ${isDone ? 'behind' : 'before'} ${step}`, (context) => {
      const { openKeys, file, value, path } = world(context)
      const first = openKeys()
      first.keys.addKey()
      writeFileSync(path, first.keys.seal(PATH, Secret.copy(utf8(VALUE))), { mode: 0o600 })
      const killed = killedAt(first.keys, file(first.keys), { step, isDone })
      assert.throws(() => rotate(killed.keys, killed.file), Killed)
      first.close()
      const later = openKeys()
      assert.equal(value(later.keys), VALUE)
      const before = later.keys.current
      // The next rotation ends what this one began.
      rotate(later.keys, file(later.keys))
      later.close()
      const last = openKeys()
      assert.equal(value(last.keys), VALUE)
      assert.notEqual(last.keys.current, before)
      const kept = last.keys.current
      last.keys.dropOldKeys()
      assert.equal(last.keys.current, kept)
      assert.equal(value(last.keys), VALUE)
      last.close()
    })
  }
}

const CLI = join(import.meta.dirname, '../../../../src/apps/cli')

/** Everything that a module loads with it; what it may load later is not followed. */
function loadedWith(start: string): ReadonlySet<string> {
  const loaded = new Set<string>()
  const pending = [start]
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (loaded.has(path)) continue
    loaded.add(path)
    if (!path.endsWith('.ts')) continue
    const text = readFileSync(path, 'utf8')
    for (const [, clause = '', from = ''] of text.matchAll(
      /^(?:import|export) ([^;]*?)from '([^']+)'/gm,
    )) {
      if (clause.startsWith('type ')) continue
      pending.push(from.startsWith('.') ? join(dirname(path), from) : from)
    }
  }
  return loaded
}

test('neither the programs nor the daemons load YAML at their start', () => {
  for (const start of [
    'main',
    'kosd',
    'daemon-authority-run',
    'daemon-node-run',
    'daemon-config',
  ]) {
    const loaded = loadedWith(join(CLI, `${start}.ts`))
    assert.ok(loaded.size > 1, start)
    assert.ok(!loaded.has('yaml'), start)
  }
  assert.ok(loadedWith(join(CLI, 'config/load.ts')).has('yaml'), 'a configuration does')
})
