/**
 * Chains of real certificates in which every rule is broken alone and in pairs: the verdict names
 * the rule whose check comes first, and the certificate that broke it.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PATH_REASONS } from '../../../src/trust/pki/index.ts'
import { validateChain, validChain, verdict } from '../../kit/pkix-chain.ts'
import { areCompatible, type Fault } from '../../kit/pkix-fault.ts'
import { FAULTS } from '../../kit/pkix-faults.ts'

/** The verdict on a chain with these rules broken. */
function verdictOn(...faults: readonly Fault[]): string {
  const spec = validChain()
  for (const fault of faults) fault.apply(spec)
  return verdict(validateChain(spec))
}

it('the chain that nobody broke is accepted, with what was decided', () => {
  const result = validateChain(validChain())
  assert.ok(result.allow)
  assert.equal(result.certificates.length, 3)
  assert.equal(result.revocation, 'path')
  assert.deepEqual(result.authorityPolicies, ['1.3.6.1.4.1.99999.1'])
  assert.deepEqual(result.userPolicies, ['1.3.6.1.4.1.99999.1'])
  // Three certificates and three lists, each once.
  assert.equal(result.work.signatureChecks, 6)
})

describe('each rule broken alone', () => {
  for (const fault of FAULTS) {
    it(fault.name, () => assert.equal(verdictOn(fault), fault.expected))
  }

  it('covers every reason but the one for too much input', () => {
    const covered = new Set(FAULTS.map(({ expected }) => expected.split(' ')[0]))
    const missing = Object.keys(PATH_REASONS).filter((reason) => !covered.has(reason))
    assert.deepEqual(missing, ['input'])
  })
})

/** Every how-manieth possible pair is tried: enough that each fault meets several others. */
const EVERY = 9
/** The least number of pairs that must be left by that. */
const AT_LEAST = 1000

describe('rules broken in pairs', () => {
  let pairs = 0
  FAULTS.forEach((one, i) => {
    it(`${one.name}, with another`, () => {
      for (const [offset, other] of FAULTS.slice(i + 1).entries()) {
        if ((i * 31 + offset * 17) % EVERY !== 0 || !areCompatible(one, other)) continue
        pairs++
        const got = verdictOn(one, other)
        const [first, second] = one.order <= other.order ? [one, other] : [other, one]
        // Checks at the same place are made in the order of the certificate's extensions or lists.
        const allowed =
          first.order === second.order ? [first.expected, second.expected] : [first.expected]
        assert.ok(allowed.includes(got), `${one.name} and ${other.name}: ${got}`)
      }
    })
  })

  it('were at least a thousand', () => assert.ok(pairs >= AT_LEAST, String(pairs)))
})
