import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AtomTable, ANY_ATOM, OWNER_ATOM } from '../../../../src/trust/policy/atoms.ts'
import { groupCycle } from '../../../../src/trust/policy/groups.ts'
import { parseSelector, selectorsOf } from '../../../../src/trust/policy/selector.ts'
import {
  type Manifest,
  MAX_SUBJECT_FACTS,
  subjectFacts,
} from '../../../../src/trust/policy/index.ts'
import { describeSubject, isFrozenSubject, owns } from '../../../../src/trust/policy/subject.ts'
import { profileOf } from '../../../../src/foundation/profiles/index.ts'
import { principal } from '../../../kit/pki.ts'
import { ADA, BOB, CAMERA, manifestOf, parsed, ruleOf, subject } from '../../../kit/policy.ts'

const DEVICE_ID = 'kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa'

describe('selectors', () => {
  it('brings a selector into its canonical form', () => {
    const forms = {
      any: 'any',
      owner: 'owner',
      'uri:spiffe://kos.internal/user/ada': 'uri:spiffe://kos.internal/user/ada',
      [`id:${DEVICE_ID}`]: `id:device/${DEVICE_ID}`,
      [`id:device/${DEVICE_ID}`]: `id:device/${DEVICE_ID}`,
      'id:user/ada': 'id:user/ada',
      'kind:agent': 'kind:agent',
      'role:on-call': 'role:on-call',
      'group:lab': 'group:lab',
      'label:zone=a/b:c': 'label:zone=a/b:c',
      'label:zone=': 'label:zone=',
      'profile:kOS-SEC-3': 'profile:SEC-3',
    }
    for (const [text, canonical] of Object.entries(forms))
      assert.equal(parseSelector(text), canonical)
  })

  it('refuses everything else', () => {
    const texts = [
      '',
      'Any',
      'nobody',
      ':',
      'uri:',
      'uri:http://kos.internal/user/ada',
      'uri:spiffe://kos.internal/user/ada/x',
      'id:ada',
      'id:robot/ada',
      'id:user/a/b',
      'id:device/ada',
      'kind:robot',
      'role:',
      'role:a b',
      'group:-a',
      'label:zone',
      'label:=lab',
      'label:a=b=c',
      'profile:SEC-9',
      'profile:',
      'name:camera-1',
    ]
    for (const text of texts) assert.equal(parseSelector(text), undefined, text)
  })

  it('lists all that matches a principal', () => {
    assert.deepEqual(selectorsOf(CAMERA), [
      'any',
      `uri:${CAMERA.uri}`,
      `id:device/${DEVICE_ID}`,
      'kind:device',
      'role:camera',
      'label:zone=lab',
      'profile:SEC-0',
      'profile:SEC-1',
      'profile:SEC-2',
    ])
    const { labels: _labels, ...bare } = BOB
    assert.ok(selectorsOf(bare).includes('group:staff'))
  })

  it('never reads a label of a principal as another selector', () => {
    const odd = subject('user/eve', { labels: { 'zone=lab': '', 'a=': 'b', zone: 'x=y' } })
    for (const selector of selectorsOf(odd)) {
      if (selector.startsWith('label:')) assert.equal(parseSelector(selector), undefined)
    }
  })
})

describe('principals', () => {
  it('are copied and frozen to the last leaf', () => {
    const roles = ['a']
    const facts = subjectFacts(principal('user', 'ada'), profileOf('SEC-2'), { roles })
    roles.push('admin')
    assert.deepEqual(facts.roles, ['a'])
    assert.ok(isFrozenSubject(facts))
    assert.ok(!isFrozenSubject({ ...facts }))
    assert.ok(!isFrozenSubject(Object.freeze({ ...facts, roles: ['a'] })))
    assert.ok(!isFrozenSubject(Object.freeze({ ...facts, groups: [] })))
    assert.ok(!isFrozenSubject(Object.freeze({ ...facts, labels: { a: 'b' } })))
    assert.ok(isFrozenSubject(Object.freeze({ ...facts, labels: undefined })))
  })

  it('are bounded', () => {
    const many = Array.from({ length: MAX_SUBJECT_FACTS + 1 }, (_, n) => `r${n}`)
    const labels = Object.fromEntries(many.map((name) => [name, 'x']))
    for (const directory of [{ roles: many }, { groups: many }, { labels }]) {
      assert.throws(() => subject('user/ada', directory), { code: 'KOS_POLICY_FACTS' })
    }
  })

  it('own what names them as owner', () => {
    assert.ok(owns(ADA, CAMERA))
    assert.ok(!owns(BOB, CAMERA))
    assert.ok(!owns(ADA, BOB))
  })

  it('are named for people', () => {
    assert.equal(describeSubject(CAMERA), 'camera-1')
    assert.equal(describeSubject(ADA), 'user/ada')
  })
})

describe('atoms', () => {
  const table = (groups: Manifest['groups'], from: readonly (string | string[])[]): AtomTable =>
    new AtomTable(parsed(manifestOf([ruleOf({ from })], { groups })))
  const has = (atoms: AtomTable, facts: typeof ADA, selector: string): boolean => {
    const [wanted] = atoms.alternatives([selector])
    return wanted !== undefined && atoms.atomsOf(facts).includes(wanted.key)
  }

  it('knows only what the manifest mentions', () => {
    const atoms = table({}, ['role:operator'])
    assert.equal(atoms.atomsOf(ADA).length, 2)
    assert.deepEqual(atoms.atomsOf(BOB), [ANY_ATOM])
  })

  it('finds an alternative by its rarest selector, never by any', () => {
    const atoms = table({}, [['any', 'role:a', 'role:b'], 'role:a', ['owner', 'any']])
    const [first, , third] = atoms.alternatives([
      ['any', 'role:a', 'role:b'],
      'role:a',
      ['owner', 'any'],
    ])
    assert.deepEqual(atoms.alternatives(['role:b'])[0]?.key, first?.key)
    assert.equal(first?.rest.length, 2)
    assert.equal(third?.key, OWNER_ATOM)
  })

  it('follows groups through groups', () => {
    const atoms = table(
      { outer: ['group:inner'], inner: [['role:operator', 'group:wide']], wide: ['kind:user'] },
      ['group:outer'],
    )
    assert.ok(has(atoms, ADA, 'group:outer'))
    assert.ok(!has(atoms, BOB, 'group:outer'))
  })

  it('asks for every selector of a member that is joined by "and"', () => {
    const joined = ['role:operator', 'role:auditor']
    for (const member of [joined, joined.toReversed()]) {
      const atoms = table({ both: [member] }, ['group:both'])
      assert.ok(!has(atoms, ADA, 'group:both'))
      assert.ok(has(atoms, subject('user/eve', { roles: ['auditor', 'operator'] }), 'group:both'))
    }
  })

  it('takes a group that the manifest defines from the manifest alone', () => {
    assert.ok(has(table({}, ['group:staff']), BOB, 'group:staff'))
    const atoms = table({ staff: ['uri:spiffe://kos.internal/user/ada'] }, ['group:staff'])
    assert.ok(!has(atoms, BOB, 'group:staff'))
    assert.ok(has(atoms, ADA, 'group:staff'))
  })

  it('remembers frozen facts only', () => {
    const atoms = table({}, ['role:operator'])
    assert.equal(atoms.atomsOf(ADA), atoms.atomsOf(ADA))
    const live = { ...ADA, roles: [] as string[] }
    assert.equal(atoms.atomsOf(live).length, 1)
    live.roles.push('operator')
    assert.equal(atoms.atomsOf(live).length, 2)
  })
})

describe('group cycles', () => {
  it('are found and named', () => {
    assert.equal(groupCycle({ a: ['group:a'] }), 'a')
    assert.equal(
      groupCycle({ x: ['group:a'], a: [['kind:user', 'group:b']], b: ['group:c'], c: ['group:a'] }),
      'a',
    )
  })

  it('are told from groups that only share members, and from groups of the directory', () => {
    const groups = {
      a: ['group:b', 'group:c', 'group:b'],
      b: ['group:d'],
      c: ['group:d'],
      d: ['group:else'],
    }
    assert.equal(groupCycle(groups), undefined)
    assert.equal(groupCycle({}), undefined)
  })

  it('are looked for without recursion', () => {
    const chain = Array.from({ length: 20_000 }, (_, n) => [`g${n}`, [`group:g${n + 1}`]] as const)
    assert.equal(groupCycle(Object.fromEntries(chain)), undefined)
    assert.equal(groupCycle(Object.fromEntries([...chain, ['g20000', ['group:g0']]])), 'g0')
  })
})
