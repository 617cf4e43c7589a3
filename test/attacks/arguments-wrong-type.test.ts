/** Attack: values of another type than the schema says slip into code that expects text or numbers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CborTag } from '../../src/foundation/codec/index.ts'
import { authenticatedPeer, callOf, createTestExecutor } from '../kit/calls.ts'
import { builtin } from '../kit/commands.ts'

const NAMES = ['calc', 'echo', 'files.list', 'files.read', 'system.info', 'system.status']
const { outcome } = createTestExecutor(NAMES.map((name) => builtin(name)))
const peer = authenticatedPeer()

/** Looks like a text to whoever only calls its methods. */
const textLike = { length: 3, split: () => [], startsWith: () => true, toString: () => '2+2' }
const ODD: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  10n,
  2n ** 70n,
  [],
  ['2+2'],
  {},
  { length: 3 },
  textLike,
  () => '2+2',
  Symbol('x'),
  new Date(0),
  Uint8Array.of(50),
  new Map([['a', 1]]),
  new Set(),
  /x/,
  new CborTag(0, 'x'),
  new String('2+2'),
]

test('a wrong value of an argument is refused', async () => {
  for (const value of ODD) {
    const calls: readonly (readonly [string, object])[] = [
      ['calc', { expression: value }],
      ['files.read', { path: value }],
      ['files.read', { path: 'share/x', encoding: value ?? null }],
      ...(typeof value === 'number' && Number.isInteger(value) && value >= 0
        ? []
        : [['files.read', { path: 'share/x', offset: value ?? null }] as const]),
      ['system.info', { verbose: value }],
      ...(value instanceof Uint8Array ? [] : [['echo', { value }] as const]),
    ]
    for (const [command, args] of calls) {
      const answer = await outcome(peer, callOf(command, args))
      assert.equal(answer.status, 'refused', `${command} ${typeof value}`)
      assert.equal('code' in answer && answer.code, 'KOS_CATALOG_ARGUMENTS')
    }
  }
})

test('arguments that are no map are refused', async () => {
  for (const args of [
    ...ODD.filter((value) => Object(value) !== value || Array.isArray(value)),
    'x',
  ]) {
    for (const command of NAMES) {
      const answer = await outcome(peer, callOf(command, args))
      assert.equal(answer.status, 'refused')
      assert.equal('rule' in answer && answer.rule, 'arguments: not-a-map')
    }
  }
})

test('an object that is not plain data is refused', async () => {
  class Arguments {
    readonly expression = '2+2'
  }
  const inherited: unknown = Object.create({ expression: '2+2' })
  for (const args of [new Arguments(), inherited, new Map([['expression', '2+2']]), new Date(0)]) {
    const answer = await outcome(peer, callOf('calc', args))
    assert.equal(answer.status, 'refused')
  }
})
