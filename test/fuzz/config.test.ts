/** The front end of configurations: any text is refused with a place or means one thing; changes say what they mean. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readConfiguration } from '../../src/apps/cli/config/read.ts'
import { changeValues, valueAt } from '../../src/apps/cli/config/text.ts'
import { plainOf, readYaml } from '../../src/apps/cli/config/yaml.ts'
import { cliErrors } from '../../src/apps/cli/errors.ts'
import { fuzz } from '../kit/fuzz.ts'

/** Pieces that mean something to YAML, next to one another in every order. */
const MARKS =
  ': |  |- |[|]|{|}|,|"|\'|>|#| # c|&x|*x|!!str|%|? |<<|\t|~|true|1e3|0x1|.nan|\\|é|\u2028'
const LINES = ['\n', '\n  ', '\n- ', '\r\n', '---\n', '...\n', '|', '|-']
const piece = fc.constantFrom('a', 'b', 'listen', 'secrets', ':', ...LINES, ...MARKS.split('|'))
const texts = fc.oneof(
  { weight: 4, arbitrary: fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join('')) },
  fc.string({ unit: 'binary', maxLength: 40 }),
)

test('any text is read in one way, or refused with its place', () => {
  fuzz(
    fc.property(texts, (text) => {
      const { root, problems } = readYaml(text)
      assert.ok(problems.length === 0 || root === undefined)
      for (const { line, column, problem } of readConfiguration(text, 'node').problems) {
        assert.ok(line >= 1 && line <= text.split('\n').length)
        assert.ok(column >= 1 && problem.length > 0 && problem.length < 200)
        assert.doesNotMatch(problem, /\p{Cc}/u)
      }
      // What was accepted is accepted as JSON, too, and means the same.
      if (!root) return
      const json = readYaml(JSON.stringify(plainOf(root)))
      if (json.problems.length > 0) return
      assert.deepEqual(json.root && plainOf(json.root), plainOf(root))
    }),
  )
})

const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }).filter((text) => text.isWellFormed()),
  fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')),
  fc.boolean(),
  fc.array(fc.constantFrom('SEC-2', 'a: b', '', '#'), { maxLength: 3 }),
)
const path = fc.constantFrom(['a'], ['b'], ['listen'], ['secrets', 'a'], ['secrets', 'b'])

test('a change says what it means and leaves everything else, or is not made', () => {
  fuzz(
    fc.property(texts, path, value, (text, at, given) => {
      const before = readYaml(text)
      let changed: string
      try {
        changed = changeValues(text, [{ path: at, value: given }])
      } catch (error) {
        assert.ok(cliErrors.has(error) && error.code === 'KOS_CLI_CONFIG_TEXT')
        return
      }
      const { root, problems } = readYaml(changed)
      assert.deepEqual(problems, [])
      assert.deepEqual(valueAt(root, at), given)
      for (const { name } of before.root?.entries ?? []) {
        if (name === at[0]) continue
        assert.deepEqual(valueAt(root, [name]), valueAt(before.root, [name]))
      }
    }),
  )
})
