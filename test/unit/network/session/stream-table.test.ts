import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StreamTable } from '../../../../src/network/session/stream-table.ts'
import { fuzz } from '../../../kit/fuzz.ts'

test('behaves as a map under any order of adding and removing', () => {
  // Numbers that collide on purpose: few, and far apart by powers of two.
  const stream = fc
    .integer({ min: 0, max: 40 })
    .chain((low) => fc.constantFrom(0, 32, 64, 2 ** 20).map((high) => (low + high) * 2 + 1))
  const step = fc.record({ stream, add: fc.boolean() })
  fuzz(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const table = new StreamTable<{ readonly stream: number }>()
      const model = new Map<number, object>()
      for (const { stream: number, add } of steps) {
        if (!add) {
          table.delete(number)
          model.delete(number)
        } else if (!model.has(number)) {
          const entry = { stream: number }
          table.add(entry)
          model.set(number, entry)
        }
        assert.equal(table.size, model.size)
      }
      for (const number of model.keys()) assert.equal(table.get(number), model.get(number))
      for (const { stream: number } of steps) {
        assert.equal(table.get(number), model.get(number))
      }
      const listed = new Set(table.list().map((entry) => entry.stream))
      assert.equal(listed.size, table.list().length)
      assert.deepEqual(listed, new Set(model.keys()))
      table.clear()
      assert.equal(table.size, 0)
      assert.deepEqual(table.list(), [])
    }),
  )
})
