/** Canonical paths and shared folders: text only. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  canonicalPath,
  checkRoots,
  pathSchema,
  placePath,
} from '../../../../src/commands/catalog/files-path.ts'
import { isRefusal } from '../../../../src/foundation/base/index.ts'

const share = { name: 'share', directory: '/srv/share' }
const inner = { name: 'inner', directory: '/srv/share/inner' }
const roots = checkRoots([share, inner])

const CANONICAL: readonly (readonly [path: string, canonical: string])[] = [
  ['share', '/srv/share'],
  ['share/', '/srv/share'],
  ['share/a.txt', '/srv/share/a.txt'],
  ['./share/./a//b/', '/srv/share/a/b'],
  ['inner/x', '/srv/share/inner/x'],
  ['/', '/'],
  ['/etc/shadow', '/etc/shadow'],
  ['//etc/./shadow/', '/etc/shadow'],
  ['/srv/share/...', '/srv/share/...'],
  ['share/..a/b..', '/srv/share/..a/b..'],
  ['share/%2e%2e/x', '/srv/share/%2e%2e/x'],
  ['share/a\\..\\b', '/srv/share/a\\..\\b'],
]

describe('canonical form', () => {
  for (const [path, canonical] of CANONICAL) {
    test(`${path} is ${canonical}`, () => {
      assert.equal(canonicalPath(path, roots), canonical)
      assert.equal(canonicalPath(canonical, roots), canonical)
    })
  }

  const refused: readonly (readonly [path: string, rule: string])[] = [
    ['..', 'files/dot-dot'],
    ['../etc', 'files/dot-dot'],
    ['share/../../etc/shadow', 'files/dot-dot'],
    ['/srv/share/..', 'files/dot-dot'],
    ['/srv/share/../share/a', 'files/dot-dot'],
    ['other/a', 'files/root'],
    ['SHARE/a', 'files/root'],
    ['.', 'files/root'],
    ['share/' + 'a/'.repeat(64), 'files/depth'],
  ]
  for (const [path, rule] of refused) {
    test(`${path.slice(0, 30)} is refused by ${rule}`, () => {
      const refusal = canonicalPath(path, roots)
      assert.ok(isRefusal(refusal))
      assert.equal(refusal.rule, rule)
      assert.equal(refusal.code, 'KOS_CATALOG_FILE_REFUSED')
    })
  }
})

describe('placing', () => {
  test('finds the innermost folder and the names below it', () => {
    assert.deepEqual(placePath('/srv/share', roots), { root: share, components: [] })
    assert.deepEqual(placePath('/srv/share/a/b', roots), { root: share, components: ['a', 'b'] })
    assert.deepEqual(placePath('/srv/share/inner/c', roots), { root: inner, components: ['c'] })
    assert.deepEqual(placePath('/srv/share/innermost', roots), {
      root: share,
      components: ['innermost'],
    })
  })

  test('finds nothing outside', () => {
    for (const path of ['/', '/srv', '/srv/shared', '/srv/sharex/a', '/etc/shadow', '/SRV/share']) {
      assert.equal(placePath(path, roots), undefined)
    }
    assert.equal(placePath('/srv/share', []), undefined)
  })
})

describe('the argument', () => {
  test('has no control character and a bounded length', () => {
    for (const path of ['a', 'ü/€', 'a'.repeat(1024)]) {
      assert.equal(pathSchema.safeParse(path).success, true)
    }
    for (const path of ['', 'a\0b', 'a\nb', 'a\tb', 'a\u007f', 'a\u0085', 'a'.repeat(1025), 1]) {
      assert.equal(pathSchema.safeParse(path).success, false)
    }
  })
})

describe('configuration', () => {
  test('folders are copied and frozen', () => {
    assert.ok(Object.isFrozen(roots) && Object.isFrozen(roots[0]))
    assert.notEqual(roots[0], share)
  })

  test('malformed folders are refused at start', () => {
    for (const broken of [
      { name: 'Share', directory: '/srv' },
      { name: '', directory: '/srv' },
      { name: 'a/b', directory: '/srv' },
      { name: 'a', directory: '/' },
      { name: 'a', directory: 'srv' },
      { name: 'a', directory: '/srv/' },
      { name: 'a', directory: '/srv//b' },
      { name: 'a', directory: '/srv/./b' },
      { name: 'a', directory: '/srv/../etc' },
      { name: 'share', directory: '/srv/b' },
    ]) {
      assert.throws(() => checkRoots([share, broken]), { code: 'KOS_CATALOG_ROOT' })
    }
  })
})
