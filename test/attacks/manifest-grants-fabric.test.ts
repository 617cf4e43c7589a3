/** A manifest tries to hand out the system's own commands, or to cut devices off from them. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { parseManifest, type Rule } from '../../src/trust/policy/index.ts'
import { ADA, ask, CAMERA, engineWith, manifestOf, ruleOf, subject } from '../kit/policy.ts'

const AUTHORITY = subject('authority/main', {}, 'SEC-3')

it('refuses manifests that name the fabric', () => {
  const rules: readonly Rule[] = [
    ruleOf({ domain: 'fabric' as Rule['domain'] }),
    ruleOf({ actions: ['fabric.push.>'] }),
    ruleOf({ actions: ['fabric.*'] }),
    ruleOf({ actions: ['files.read', 'fabric'] }),
  ]
  for (const rule of rules) {
    const result = parseManifest(manifestOf([rule]))
    assert.ok('allow' in result)
    assert.equal(result.code, 'KOS_POLICY_MANIFEST')
  }
})

it('grants nothing of the fabric by rules that allow everything', () => {
  const engine = engineWith([manifestOf([ruleOf(), ruleOf({ id: 'tail', actions: ['*.>'] })])])
  for (const action of ['fabric.push.notice', 'fabric.node.audit', 'fabric.anything']) {
    assert.ok(isRefusal(engine.decide(ask({ action, domain: 'fabric' }))), action)
    // The same name under another domain is no way around the table.
    for (const domain of ['rpc', 'bus'] as const) {
      assert.ok(isRefusal(engine.decide(ask({ action, domain }))), `${domain} ${action}`)
    }
    const catalogEntry = { effects: 'read', permission: action } as const
    assert.ok(isRefusal(engine.decide(ask({ action: 'files.read', catalogEntry }))))
  }
})

it('keeps the fabric going under rules that deny everything', () => {
  const engine = engineWith([manifestOf([ruleOf({ effect: 'deny' })])])
  const push = ask({ from: AUTHORITY, to: CAMERA, domain: 'fabric', action: 'fabric.push.notice' })
  const fetch = ask({ from: CAMERA, to: AUTHORITY, domain: 'fabric', action: 'fabric.node.object' })
  assert.equal(engine.decide(push).allow, true)
  assert.equal(engine.decide(fetch).allow, true)
  assert.equal(engine.decide({ ...push, from: ADA }).allow, false)
})
