import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseAction, parsePattern, PatternTrie } from '../../../../src/trust/policy/pattern.ts'

describe('actions', () => {
  it('splits well-formed actions', () => {
    assert.deepEqual(parseAction('calc'), ['calc'])
    assert.deepEqual(parseAction('kos.evt.kdev-a_1.x'), ['kos', 'evt', 'kdev-a_1', 'x'])
    assert.equal(parseAction(Array(12).fill('a').join('.'))?.length, 12)
    assert.equal(parseAction('a'.repeat(64))?.length, 1)
  })

  it('refuses everything else', () => {
    const long = Array(12).fill('a'.repeat(21)).join('.')
    for (const text of ['', '.', 'a.', '.a', 'a..b', 'a b', 'a*', '*', '>', 'é', 'a\u0000', long]) {
      assert.equal(parseAction(text), undefined, text)
    }
    assert.equal(parseAction(Array(13).fill('a').join('.')), undefined)
    assert.equal(parseAction('a'.repeat(65)), undefined)
  })
})

describe('patterns', () => {
  it('takes wildcards as whole segments only, and the tail only at the end', () => {
    for (const text of ['>', '*', 'files.*', 'files.>', '*.read', 'a.*.>']) {
      assert.deepEqual(parsePattern(text), text.split('.'), text)
    }
    for (const text of ['', 'files*', '>.a', 'a.>.b', 'a..b', '(a|b)', 'a'.repeat(65)]) {
      assert.equal(parsePattern(text), undefined, text)
    }
    assert.equal(parsePattern(Array(13).fill('*').join('.')), undefined)
    assert.equal(parsePattern(`${'a.'.repeat(128)}a`), undefined)
  })

  it('finds all patterns that cover an action', () => {
    const trie = new PatternTrie<string[]>(() => [])
    for (const text of ['files.read', 'files.*', 'files.>', '*.read', '*.*', '>', 'files', '*']) {
      trie.at(parsePattern(text) ?? []).push(text)
    }
    const found = (action: string): string => {
      const into: string[][] = []
      trie.find(action.split('.'), into)
      return into.flat().toSorted().join(' ')
    }
    assert.equal(found('files.read'), '*.* *.read > files.* files.> files.read')
    assert.equal(found('files'), '* > files')
    assert.equal(found('files.read.all'), '> files.>')
    assert.equal(found('system.status'), '*.* >')
  })

  it('gives a pattern one value', () => {
    const trie = new PatternTrie<object>(() => ({}))
    for (const pattern of [['a'], ['*'], ['a', '>'], ['a', '*', 'b']]) {
      assert.equal(trie.at(pattern), trie.at(pattern))
    }
    assert.notEqual(trie.at(['a']), trie.at(['*']))
  })
})
