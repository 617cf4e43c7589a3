import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  baseErrors,
  defineErrors,
  isRefusal,
  KosError,
  refuse,
} from '../../../../src/foundation/base/index.ts'

const errors = defineErrors({
  KOS_DEMO_EMPTY: { message: 'The list is empty.', hint: 'Add an entry.', retry: 'later' },
})

describe('error tables', () => {
  test('make errors with everything a person needs', () => {
    const cause = new Error('inner')
    const error = errors.error('KOS_DEMO_EMPTY', { count: 0 }, cause)
    assert.ok(error instanceof KosError && error instanceof Error)
    assert.equal(error.name, 'KosError')
    assert.equal(error.message, 'The list is empty.')
    assert.equal(error.hint, 'Add an entry.')
    assert.equal(error.retry, 'later')
    assert.equal(error.cause, cause)
    assert.deepEqual({ ...error.details }, { count: 0 })
  })

  test('without details and cause the error has neither', () => {
    const error = errors.error('KOS_DEMO_EMPTY')
    assert.deepEqual({ ...error.details }, {})
    assert.ok(!('cause' in error))
  })

  test('details are a frozen copy', () => {
    const details = { count: 0 }
    const error = errors.error('KOS_DEMO_EMPTY', details)
    details.count = 1
    assert.equal(error.details['count'], 0)
    assert.ok(Object.isFrozen(error.details))
  })

  test('know their own errors only', () => {
    assert.ok(errors.has(errors.error('KOS_DEMO_EMPTY')))
    assert.ok(!errors.has(baseErrors.error('KOS_BASE_INVALID')))
    assert.ok(!errors.has({ code: 'KOS_DEMO_EMPTY' }))
    assert.ok(!errors.has(undefined))
  })

  test('cannot be changed', () => {
    assert.ok(Object.isFrozen(errors) && Object.isFrozen(errors.rows))
  })
})

describe('refusals', () => {
  test('are frozen values with code and rule', () => {
    const refusal = refuse('KOS_DEMO_EMPTY', 'fleet/deny-etc', { retryAfterMs: 5 })
    assert.deepEqual(refusal, {
      allow: false,
      code: 'KOS_DEMO_EMPTY',
      rule: 'fleet/deny-etc',
      retryAfterMs: 5,
    })
    assert.ok(Object.isFrozen(refusal))
    assert.ok(isRefusal(refusal))
  })

  test('extras cannot turn a refusal into anything else', () => {
    const extra = { allow: true } as object
    assert.ok(!isRefusal({ ...extra }))
    assert.equal(refuse('KOS_DEMO_EMPTY', 'rule', extra).allow, false)
  })

  for (const value of [undefined, null, false, 'no', { allow: true }, { allow: 0 }, {}]) {
    test(`${JSON.stringify(value)} is not a refusal`, () => assert.ok(!isRefusal(value)))
  }
})
