import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parsePrincipal, type Refusal, unixMs } from '../../../../src/foundation/base/index.ts'
import { cborToPlain, decodeCbor, encodeCbor } from '../../../../src/foundation/codec/index.ts'
import {
  defaultFleetManifest,
  encodeManifest,
  type Manifest,
  MANIFEST_LIMITS,
  type ManifestNames,
  manifestToJson,
  manifestToText,
  parseManifest,
  parseManifestJson,
  type Rule,
} from '../../../../src/trust/policy/index.ts'
import { ADA, CAMERA, manifestOf, NOT_AFTER_MS, parsed, ruleOf } from '../../../kit/policy.ts'

const FULL_RULE: Rule = {
  id: 'lab.read-1',
  effect: 'allow',
  domain: 'rpc',
  from: ['owner', ['role:operator', 'profile:SEC-3'], 'group:lab'],
  to: ['kind:device'],
  actions: ['files.*', 'system.>'],
  effects: 'read',
  when: [
    { argument: 'path', pathPrefix: '/srv/data' },
    { argument: 'mode', equals: 'text' },
    { argument: 'options.depth', oneOf: [1, true, null, 'x'] },
    { argument: 'length', range: { min: 0, max: 4096 } },
    { argument: 'offset', range: {} },
  ],
  limits: { perMinute: 60, burst: 10 },
  obligations: ['audit', 'mfa'],
}
const FULL = manifestOf([FULL_RULE, ruleOf({ id: 'deny-all', effect: 'deny' })], {
  groups: { lab: ['label:zone=lab', ['kind:agent', 'role:helper']], all: ['any'] },
})

function refusal(body: unknown): string {
  const result = parseManifest(body)
  assert.ok('allow' in result, 'was accepted')
  return `${result.code.slice('KOS_POLICY_'.length)} ${result.rule}`
}
const refusedRule = (changes: Record<string, unknown>): string =>
  refusal(manifestOf([{ ...FULL_RULE, when: undefined, ...changes } as unknown as Rule]))

describe('manifests', () => {
  it('are accepted, frozen, and survive their encoding', () => {
    const manifest = parsed(FULL)
    assert.deepEqual(manifest, FULL)
    assert.ok(Object.isFrozen(manifest.rules[0]?.from[1]))
    const decoded = cborToPlain(decodeCbor(encodeCbor(encodeManifest(manifest))))
    assert.deepEqual(parsed(decoded), manifest)
  })

  it('are strict about every field', () => {
    assert.match(refusal([]), /^MANIFEST value/)
    assert.match(refusal({}), /^MANIFEST apiVersion/)
    assert.match(refusal(manifestOf([], { apiVersion: 'kos/v2' })), /^MANIFEST apiVersion/)
    assert.match(refusal({ ...manifestOf(), extra: 1 }), /^MANIFEST value: unrecognized_keys/)
    assert.match(refusal(manifestOf([], { notAfter: 1.5 })), /^MANIFEST notAfter/)
    assert.match(refusal(manifestOf([], { notAfter: 9e15 })), /notAfter/)
    assert.match(refusal(manifestOf([], { groups: { 'a b': ['any'] } })), /^MANIFEST groups/)
    assert.match(refusal(manifestOf([], { groups: { a: ['owner'] } })), /^MANIFEST groups/)
    assert.match(refusal(manifestOf([], { groups: { a: [] } })), /^MANIFEST groups/)
    const bad: readonly Record<string, unknown>[] = [
      { id: 'Upper' },
      { id: '' },
      { id: 'a'.repeat(65) },
      { from: [`role:${'a'.repeat(65)}`] },
      { from: [`label:${'k'.repeat(65)}=v`] },
      { from: [`uri:spiffe://kos.internal/user/${'a'.repeat(600)}`] },
      { actions: ['a'.repeat(65)] },
      { actions: [Array(13).fill('a').join('.')] },
      { actions: [`>.a`] },
      { when: [{ argument: 'a'.repeat(65), equals: 1 }] },
      { when: [{ argument: 'a', pathPrefix: `/${'x'.repeat(4096)}` }] },
      { effect: 'maybe' },
      { domain: 'fabric' },
      { from: [] },
      { from: 'any' },
      { from: ['nobody'] },
      { from: [[]] },
      { to: ['name:camera-1'] },
      { actions: [] },
      { actions: ['a|b'] },
      { actions: ['fabric.node.>'] },
      { actions: ['fabric'] },
      { effects: 'both' },
      { when: [] },
      { when: [{ argument: 'a', equals: 1, oneOf: [1] }] },
      { when: [{ argument: 'a', matches: '.*' }] },
      { when: [{ argument: 'a' }] },
      { when: [{ argument: '0', equals: 1 }] },
      { when: [{ argument: 'a.b.c.d.e', equals: 1 }] },
      { when: [{ argument: 'a', equals: 1.5 }] },
      { when: [{ argument: 'a', pathPrefix: '/a/../b' }] },
      { when: [{ argument: 'a', range: { min: 2, max: 1 } }] },
      { limits: { perMinute: 0, burst: 1 } },
      { limits: { perMinute: 1 } },
      { obligations: ['pray'] },
      { effect: 'deny' },
      { effect: 'deny', limits: undefined },
      { comment: 'x' },
    ]
    for (const changes of bad) {
      assert.match(refusedRule(changes), /^MANIFEST rules\.0/, JSON.stringify(changes))
    }
  })

  it('fit their layer', () => {
    const misfit = /^MANIFEST_LAYER subject/
    assert.match(refusal(manifestOf([], { subject: `uri:${ADA.uri}` })), misfit)
    for (const kind of ['owner', 'device', 'session']) {
      assert.match(refusal(manifestOf([], { kind })), misfit)
      assert.match(refusal(manifestOf([], { kind, subject: 'uri:somebody' })), misfit)
      assert.match(refusal(manifestOf([], { kind, subject: 'role:camera' })), misfit)
      assert.equal(parsed(manifestOf([], { kind, subject: `uri:${ADA.uri}` })).kind, kind)
    }
  })

  it('have unique rule ids and no group cycles', () => {
    assert.equal(refusal(manifestOf([ruleOf(), ruleOf()])), 'MANIFEST rules: open stands twice')
    const groups = { a: ['group:b'], b: ['group:a'] }
    assert.match(refusal(manifestOf([], { groups })), /^MANIFEST_CYCLE groups: [ab]$/)
  })

  it('are bounded', () => {
    const tooLarge = /^MANIFEST_SIZE/
    const { maxRules, maxAlternatives, maxActions, maxOneOf } = MANIFEST_LIMITS
    const any = (length: number): string[] => Array<string>(length).fill('any')
    assert.match(refusedRule({ from: any(maxAlternatives + 1) }), tooLarge)
    assert.match(refusedRule({ actions: any(maxActions + 1) }), tooLarge)
    assert.match(
      refusedRule({ when: [{ argument: 'a', oneOf: Array(maxOneOf + 1).fill(1) }] }),
      /rules\.0\.when/,
    )
    assert.match(refusedRule({ when: [{ argument: 'a', equals: 'x'.repeat(641) }] }), tooLarge)
    assert.match(refusal(manifestOf(Array(maxRules + 1).fill(0) as Rule[])), tooLarge)
    const nested = manifestOf([], { groups: { a: [[[[[[[['any']]]]]]]] } })
    assert.match(refusal(nested), /too deep/)
    const many = Array.from({ length: MANIFEST_LIMITS.maxGroups + 1 }, (_, n) => [`g${n}`, ['any']])
    assert.match(refusal(manifestOf([], { groups: Object.fromEntries(many) as object })), /groups/)
  })

  it('are refused when selectors and patterns multiply beyond the index', () => {
    const from = Array<string>(MANIFEST_LIMITS.maxAlternatives).fill('any')
    const rules = Array.from({ length: 8 }, (_, n) =>
      ruleOf({ id: `r${n}`, from, to: from, actions: from }),
    )
    assert.equal(
      refusal(manifestOf(rules)),
      'MANIFEST_SIZE rules: too many combinations of selectors',
    )
  })
})

describe('the default fleet manifest', () => {
  it('lets owners read, and needs a time', () => {
    const manifest = defaultFleetManifest({ notAfter: unixMs(NOT_AFTER_MS) })
    assert.equal(manifest.rules.length, 1)
    assert.throws(() => defaultFleetManifest({ notAfter: unixMs(Number.NaN) }), {
      code: 'KOS_POLICY_MANIFEST',
    })
  })
})

describe('the JSON form', () => {
  const nobody: ManifestNames = { uriOf: () => undefined }
  const directory: ManifestNames = {
    uriOf: (name) => (name === 'camera-1' ? parsePrincipal(CAMERA.uri)?.uri : undefined),
  }
  const read = (body: unknown): Manifest | Refusal =>
    parseManifestJson(JSON.stringify(body), directory)
  const refusedText = (body: unknown): string => {
    const result = read(body)
    assert.ok('allow' in result, 'was accepted')
    return `${result.code} ${result.rule}`
  }

  it('compiles names to URIs and times to milliseconds', () => {
    const manifest = read(
      manifestOf([ruleOf({ from: ['name:camera-1'], to: [['name:camera-1', 'kind:device']] })], {
        kind: 'device',
        subject: 'name:camera-1',
        notAfter: '2026-01-02T00:00:00Z',
        groups: { a: ['name:camera-1'] },
      }),
    )
    const uri = `uri:${CAMERA.uri}`
    assert.deepEqual(
      manifest,
      manifestOf([ruleOf({ from: [uri], to: [[uri, 'kind:device']] })], {
        kind: 'device',
        subject: uri,
        groups: { a: [uri] },
      }),
    )
  })

  it('refuses unknown names, times that are none, and what is not a manifest', () => {
    const remedy = parseManifestJson(
      JSON.stringify(manifestOf([ruleOf({ from: ['name:camera-2'] })])),
      directory,
    )
    assert.ok('allow' in remedy)
    assert.equal(remedy.rule, 'names: camera-2 is unknown')
    assert.match(remedy.remedy ?? '', /camera-2/)
    assert.match(refusedText(manifestOf([ruleOf({ from: ['name:a b'] })])), /rules\.0\.from/)
    for (const notAfter of ['2026-02-31T00:00:00Z', '2026-13-01T00:00:00Z', 'tomorrow']) {
      assert.match(refusedText(manifestOf([], { notAfter })), /^KOS_POLICY_MANIFEST notAfter/)
    }
    for (const body of [
      1,
      null,
      [],
      {},
      { rules: 1 },
      { rules: [1], groups: 1 },
      { groups: { a: 1 } },
    ]) {
      assert.match(refusedText(body), /^KOS_POLICY_MANIFEST /, JSON.stringify(body))
    }
    const malformed = parseManifestJson('{', directory)
    assert.ok('allow' in malformed)
    assert.equal(malformed.rule, 'json: malformed')
  })

  it('reads back what it wrote', () => {
    const manifest = parsed(FULL)
    assert.deepEqual(parseManifestJson(manifestToJson(manifest), nobody), manifest)
  })
})

describe('the text form', () => {
  it('shows every field', () => {
    assert.equal(
      manifestToText(parsed(FULL)),
      `fleet manifest (kos/v1) for any, until 2026-01-02T00:00:00.000Z
group all = any
group lab = label:zone=lab or kind:agent and role:helper
deny deny-all: rpc > from any to any
allow lab.read-1: rpc files.* or system.> (read) from owner or role:operator and profile:SEC-3 or group:lab to kind:device when path under /srv/data and mode = "text" and options.depth in [1,true,null,"x"] and length from 0 to 4096 and offset from any to any at most 60/min, burst 10 with audit, mfa
`,
    )
  })
})
