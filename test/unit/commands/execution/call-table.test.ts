import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CallTable, type Listed } from '../../../../src/commands/execution/call-table.ts'

interface Item extends Listed<Item> {
  readonly name: string
}

/** Ids that end alike are in one bucket. */
const id = (front: number, end: string = ''): string =>
  front.toString(16).padStart(32 - end.length, '0') + end

const item = (callId: string, name: string = callId): Item => ({ callId, name, next: undefined })

function tableOf(...ids: readonly string[]): CallTable<Item> {
  const table = new CallTable<Item>()
  for (const callId of ids) table.add(item(callId))
  return table
}

const ids = (items: readonly Item[]): string[] => items.map(({ callId }) => callId).toSorted()

describe('table of calls', () => {
  it('finds each call by its whole id, also within one bucket', () => {
    const alike = [1, 2, 3].map((front) => id(front, 'abcdef0'))
    const table = tableOf(...alike, id(9))
    for (const callId of [...alike, id(9)]) assert.equal(table.get(callId)?.name, callId)
    assert.equal(table.get(id(4, 'abcdef0')), undefined)
    assert.equal(table.get(id(8)), undefined)
  })

  it('removes the first, the middle and the last of a bucket, and leaves the others', () => {
    const alike = [1, 2, 3].map((front) => id(front, '0000007'))
    for (const gone of alike) {
      const table = tableOf(...alike)
      assert.equal(table.remove(gone)?.callId, gone)
      assert.equal(table.remove(gone), undefined)
      const left = alike.filter((callId) => callId !== gone)
      for (const callId of left) assert.equal(table.get(callId)?.callId, callId)
      assert.deepEqual(ids(table.take()), left)
    }
  })

  it('removes the only one of a bucket', () => {
    const table = tableOf(id(1))
    assert.equal(table.remove(id(1))?.callId, id(1))
    assert.equal(table.remove(id(2)), undefined)
    assert.deepEqual(table.take(), [])
  })

  it('gives everything away once', () => {
    const all = [id(1), id(2), id(1, 'fffffff'), id(2, 'fffffff')].toSorted()
    const table = tableOf(...all)
    assert.deepEqual(ids(table.take()), all)
    assert.deepEqual(table.take(), [])
    assert.equal(table.get(id(1)), undefined)
  })

  it('forgets the bucket of a call that was removed: it can be added elsewhere', () => {
    const [first, second] = [id(1, 'aaaaaaa'), id(2, 'aaaaaaa')]
    const table = tableOf(first, second)
    const moved = table.remove(second)
    assert.ok(moved)
    const other = new CallTable<Item>()
    other.add(moved)
    assert.deepEqual(ids(other.take()), [second])
    assert.deepEqual(ids(table.take()), [first])
  })
})
