/**
 * `openssl verify` as a second opinion: the chain that is right, and each rule broken alone, must
 * have the same verdict. Faults that carry a reason are ours to refuse: OpenSSL is known to differ.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pemEncode } from '../../../src/foundation/codec/index.ts'
import { validatePath } from '../../../src/trust/pki/index.ts'
import { findOpenssl } from '../../kit/openssl.ts'
import { chainInput, type ChainSpec, signChain, validChain } from '../../kit/pkix-chain.ts'
import { FAULTS } from '../../kit/pkix-faults.ts'

const { openssl, skip } = findOpenssl()
const pem = (der: Uint8Array): string => pemEncode('CERTIFICATE', der)

/** Whether OpenSSL and we accept a chain. */
function verdicts(spec: ChainSpec): { readonly ours: boolean; readonly theirs: boolean } {
  const signed = signChain(spec)
  const input = chainInput(spec, signed)
  const { names = {}, limits = {}, policies = {} } = input
  const args = ['verify', '-x509_strict', '-purpose', 'sslserver', '-policy_check']
  args.push('-attime', String(Math.floor(input.nowMs / 1000)), '-crl_check_all')
  args.push('-CRLfile', '{crls}', '-CAfile', '{root}', '-untrusted', '{between}')
  if (limits.maxDepth !== undefined) args.push('-verify_depth', String(limits.maxDepth))
  if (names.dns !== undefined) args.push('-verify_hostname', names.dns)
  if (names.ip !== undefined) args.push('-verify_ip', names.ip)
  if (policies.requireExplicitPolicy === true) args.push('-explicit_policy')
  for (const policy of policies.initialPolicies ?? []) args.push('-policy', policy)
  const files = {
    root: pem(signed.root),
    between: pem(signed.first) + pem(signed.second),
    leaf: pem(signed.leaf),
    crls: signed.crls.map((crl) => pemEncode('X509 CRL', crl)).join(''),
  }
  let theirs = true
  try {
    openssl.run([...args, '{leaf}'], files)
  } catch {
    theirs = false
  }
  return { ours: validatePath(input).allow, theirs }
}

/** One position of those that are checked alike: a process per fault is slow. */
const compared = FAULTS.filter(
  ({ name, openssl: differs }) =>
    differs === undefined && !/^(?:first|root) |of (?:first|second):/.test(name),
)

describe('openssl verify agrees', { skip }, () => {
  it('on the chain that nobody broke', () => {
    assert.deepEqual(verdicts(validChain()), { ours: true, theirs: true })
  })

  for (const fault of compared) {
    it(`on a fault: ${fault.name}`, () => {
      const spec = validChain()
      fault.apply(spec)
      assert.deepEqual(verdicts(spec), { ours: false, theirs: false })
    })
  }

  it('was asked about every kind of fault', () => assert.ok(compared.length >= 60))
})
