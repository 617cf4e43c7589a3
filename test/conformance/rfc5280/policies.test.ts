/** Certificate policies: what a path is good for, and the graph of RFC 9618 that stays small. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { X509Extension } from '../../../src/foundation/codec/index.ts'
import { type PolicyInputs } from '../../../src/trust/pki/index.ts'
import { pkixName } from '../../kit/pkix.ts'
import {
  type ChainSpec,
  inhibitAnyPolicy,
  policies,
  policyConstraints,
  policyMappings,
  validateChain,
  validChain,
  verdict,
} from '../../kit/pkix-chain.ts'

const ANY = '2.5.29.32.0'
const [A, B, C, D] = ['1.2.3.1', '1.2.3.2', '1.2.3.3', '1.2.3.4'] as const

interface Case {
  readonly name: string
  /** Policies of first, second and leaf; absent: no extension. */
  readonly policies: readonly (readonly string[] | undefined)[]
  readonly first?: Readonly<Record<string, X509Extension>>
  readonly second?: Readonly<Record<string, X509Extension>>
  readonly inputs?: PolicyInputs
  /** Authority and user policies, or the verdict. */
  readonly expected: readonly [authority: readonly string[], user: readonly string[]] | string
}

const explicit: PolicyInputs = { requireExplicitPolicy: true }

const CASES: readonly Case[] = [
  { name: 'none at all', policies: [], expected: [[], []] },
  {
    name: 'none where one is required',
    policies: [],
    inputs: explicit,
    expected: 'policy explicit @2',
  },
  {
    name: 'the same everywhere',
    policies: [[A], [A], [A]],
    inputs: explicit,
    expected: [[A], [A]],
  },
  { name: 'the common ones remain', policies: [[A, B], [B, C, A], [B]], expected: [[B], [B]] },
  { name: 'nothing in common, nothing required', policies: [[A], [B], [A]], expected: [[], []] },
  {
    name: 'nothing in common, one required',
    policies: [[A], [B], [A]],
    inputs: explicit,
    expected: 'policy explicit @1',
  },
  {
    name: 'the user accepts one of two',
    policies: [
      [A, B],
      [A, B],
      [A, B],
    ],
    inputs: { ...explicit, initialPolicies: [B, C] },
    expected: [[A, B], [B]],
  },
  {
    name: 'the user accepts none, and none is required',
    policies: [[A], [A], [A]],
    inputs: { initialPolicies: [C] },
    expected: [[A], []],
  },
  {
    name: 'any-policy throughout',
    policies: [[ANY], [ANY], [ANY]],
    inputs: explicit,
    expected: [[ANY], [ANY]],
  },
  {
    name: 'any-policy throughout, for a user with wishes',
    policies: [[ANY], [ANY], [ANY]],
    inputs: { ...explicit, initialPolicies: [B] },
    expected: [[ANY], [B]],
  },
  {
    name: 'any-policy above a policy',
    policies: [[ANY], [ANY], [A]],
    inputs: explicit,
    expected: [[A], [A]],
  },
  {
    name: 'any-policy below a policy',
    policies: [[A], [ANY], [ANY]],
    inputs: explicit,
    expected: [[A], [A]],
  },
  {
    name: 'any-policy inhibited by the caller',
    policies: [[ANY], [A], [A]],
    inputs: { ...explicit, inhibitAnyPolicy: true },
    expected: 'policy explicit @2',
  },
  {
    name: 'any-policy inhibited one below',
    policies: [[A], [ANY], [A]],
    first: { inhibitAnyPolicy: inhibitAnyPolicy(1) },
    inputs: explicit,
    expected: [[A], [A]],
  },
  {
    name: 'any-policy inhibited at once',
    policies: [[A], [ANY], [A]],
    first: { inhibitAnyPolicy: inhibitAnyPolicy(0) },
    inputs: explicit,
    expected: 'policy explicit @1',
  },
  {
    name: 'a mapped policy',
    policies: [[A], [A], [B]],
    second: { policyMappings: policyMappings([[A, B]]) },
    inputs: explicit,
    expected: [[A], [A]],
  },
  {
    name: 'a policy mapped to two',
    policies: [[A], [A], [C]],
    second: {
      policyMappings: policyMappings([
        [A, B],
        [A, C],
      ]),
    },
    inputs: explicit,
    expected: [[A], [A]],
  },
  {
    name: 'two policies mapped to one',
    policies: [[A, B], [A, B], [C]],
    second: {
      policyMappings: policyMappings([
        [A, C],
        [B, C],
      ]),
    },
    inputs: explicit,
    expected: [
      [A, B],
      [A, B],
    ],
  },
  {
    name: 'a mapped policy is no longer the old one',
    policies: [[A], [A], [A]],
    second: { policyMappings: policyMappings([[A, B]]) },
    inputs: explicit,
    expected: 'policy explicit @0',
  },
  {
    name: 'mapped twice',
    policies: [[A], [B], [C]],
    first: { policyMappings: policyMappings([[A, B]]) },
    second: { policyMappings: policyMappings([[B, C]]) },
    inputs: explicit,
    expected: [[A], [A]],
  },
  {
    name: 'a policy under any-policy, mapped',
    policies: [[ANY], [ANY], [B]],
    second: { policyMappings: policyMappings([[A, B]]) },
    inputs: { ...explicit, initialPolicies: [A] },
    expected: [[A], [A]],
  },
  {
    name: 'a mapping of a policy that is not there',
    policies: [[A], [A], [A]],
    second: { policyMappings: policyMappings([[D, B]]) },
    inputs: explicit,
    expected: [[A], [A]],
  },
  {
    name: 'mapping inhibited by the caller',
    policies: [[A], [A], [B]],
    second: { policyMappings: policyMappings([[A, B]]) },
    inputs: { ...explicit, inhibitPolicyMapping: true },
    expected: 'policy explicit @0',
  },
  {
    name: 'mapping without a graph to map in',
    policies: [[A], undefined, [A]],
    second: { policyMappings: policyMappings([[A, B]]) },
    expected: [[], []],
  },
  {
    name: 'a mapping to any-policy',
    policies: [[A], [A], [A]],
    first: { policyMappings: policyMappings([[A, ANY]]) },
    expected: 'policy-mapping @2',
  },
  {
    name: 'explicit policy that begins at the target',
    policies: [[A], [A], undefined],
    first: { policyConstraints: policyConstraints(1) },
    expected: 'policy explicit @0',
  },
  {
    name: 'explicit policy that begins behind the target',
    policies: [undefined, undefined, undefined],
    first: { policyConstraints: policyConstraints(3) },
    expected: [[], []],
  },
  {
    name: 'explicit policy that the wrap-up reaches',
    policies: [undefined, undefined, undefined],
    first: { policyConstraints: policyConstraints(2) },
    expected: 'policy user @0',
  },
]

function specOf({ policies: oids, first = {}, second = {}, inputs }: Case): ChainSpec {
  const spec = validChain()
  const { links } = spec
  for (const [i, link] of [links.first, links.second, links.leaf].entries()) {
    link.extensions.delete('certificatePolicies')
    const wanted = oids[i]
    if (wanted) link.extensions.set('certificatePolicies', policies(wanted))
  }
  for (const [name, one] of Object.entries(first)) links.first.extensions.set(name, one)
  for (const [name, one] of Object.entries(second)) links.second.extensions.set(name, one)
  if (inputs) spec.input.policies = inputs
  return spec
}

describe('policies', () => {
  for (const one of CASES) {
    it(one.name, () => {
      const result = validateChain(specOf(one))
      if (typeof one.expected === 'string') assert.equal(verdict(result), one.expected)
      else {
        assert.ok(result.allow, verdict(result))
        const found = [result.authorityPolicies, result.userPolicies]
        assert.deepEqual(
          found.map((list) => list.toSorted()),
          one.expected,
        )
      }
    })
  }

  it('self-issued certificates use up no skip count, and any-policy there is not inhibited', () => {
    const spec = specOf({
      name: '',
      policies: [[A], [ANY], [A]],
      first: { inhibitAnyPolicy: inhibitAnyPolicy(0), policyConstraints: policyConstraints(1) },
      inputs: explicit,
      expected: '',
    })
    const { links, crls } = spec
    links.second.parts.subject = links.first.parts.subject
    links.leaf.parts.issuer = links.first.parts.subject
    crls.leaf.parts.issuer = links.first.parts.subject
    spec.input.revocation = 'none'
    const result = validateChain(spec)
    assert.ok(result.allow, verdict(result))
    assert.deepEqual(result.userPolicies, [A])
    links.second.parts.subject = pkixName('Example', 'Second')
    links.leaf.parts.issuer = links.second.parts.subject
    assert.equal(verdict(validateChain(spec)), 'policy explicit @1')
  })
})
