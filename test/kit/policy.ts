/** Manifests, principals and engines for tests of policy. */
import { isRefusal, sha256, silentLog, utf8 } from '../../src/foundation/base/index.ts'
import type { CborValue } from '../../src/foundation/codec/index.ts'
import { type ProfileName, profileOf } from '../../src/foundation/profiles/index.ts'
import {
  createPolicyEngine,
  type DirectoryFacts,
  encodeManifest,
  type LayerName,
  type Manifest,
  parseManifest,
  type PolicyEngine,
  type PolicyRequest,
  type Rule,
  type SubjectFacts,
  subjectFacts,
  type VerifiedManifest,
} from '../../src/trust/policy/index.ts'
import { createTestClock, TEST_EPOCH_MS, type TestClock } from './clock.ts'
import { principal } from './pki.ts'

/** When test manifests expire: a day after the test clock starts. */
export const NOT_AFTER_MS: number = TEST_EPOCH_MS + 86_400_000

/** Makes the facts of a principal; `path` is `kind/id`. */
export function subject(
  path: string,
  directory: DirectoryFacts = {},
  profile: ProfileName = 'SEC-2',
): SubjectFacts {
  const [kind, id] = path.split('/')
  return subjectFacts(principal(kind as SubjectFacts['kind'], id), profileOf(profile), directory)
}

/** The user who owns {@link CAMERA}. */
export const ADA: SubjectFacts = subject('user/ada', { roles: ['operator'], groups: ['staff'] })
/** A user who owns nothing. */
export const BOB: SubjectFacts = subject('user/bob', { groups: ['staff'] })
/** A device of {@link ADA}. */
export const CAMERA: SubjectFacts = subject('device/kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa', {
  name: 'camera-1',
  roles: ['camera'],
  labels: { zone: 'lab' },
  owner: ADA.uri,
})

/** A rule that allows everything to everybody; a test changes what it is about. */
export function ruleOf(changes: Partial<Rule> = {}): Rule {
  return {
    id: 'open',
    effect: 'allow',
    domain: 'rpc',
    from: ['any'],
    to: ['any'],
    actions: ['>'],
    ...changes,
  }
}

/** Plain data of a manifest, not checked. */
export function manifestOf(
  rules: readonly Rule[] = [ruleOf()],
  changes: Partial<Record<keyof Manifest, unknown>> = {},
): Record<string, unknown> {
  return {
    apiVersion: 'kos/v1',
    kind: 'fleet',
    subject: 'any',
    notAfter: NOT_AFTER_MS,
    groups: {},
    rules,
    ...changes,
  }
}

/** A manifest that a test knows to be well-formed. */
export function parsed(body: unknown): Manifest {
  const manifest = parseManifest(body)
  if (isRefusal(manifest)) throw new TypeError(`not a manifest: ${manifest.rule}`)
  return manifest
}

/** Plain data as the codec hands it out: maps instead of objects. */
export function decoded(value: unknown): CborValue {
  if (Array.isArray(value)) return value.map(decoded)
  if (typeof value !== 'object' || value === null) return value as CborValue
  return new Map(Object.entries(value).map(([key, child]) => [key, decoded(child)]))
}

/** A manifest as if its signature had been verified. */
export function verified(
  body: unknown,
  place: { readonly era?: number; readonly number?: number; readonly content?: string } = {},
): VerifiedManifest {
  const { era = 1, number = 1, content = JSON.stringify(body) } = place
  const hash = sha256(utf8(`${era} ${number} ${content}`))
  return { era, number, body: decoded(encodeManifest(body as Manifest)), hash }
}

/** An engine whose verifier refuses: tests of signatures make their own. */
export function engineWith(
  bodies: readonly unknown[] = [],
  clock: TestClock = createTestClock(),
): PolicyEngine {
  const engine = createPolicyEngine({
    clock,
    log: silentLog,
    verify: () => ({ allow: false, code: 'KOS_PKI_OBJECT', rule: 'test' }),
  })
  for (const body of bodies) {
    const result = engine.load(verified(body))
    if (!result.allow) throw new TypeError(`not loaded: ${result.code} ${result.rule}`)
  }
  return engine
}

/** A question: Ada reads a file of her camera, unless a test asks something else. */
export function ask(changes: Partial<PolicyRequest> = {}): PolicyRequest {
  const action = changes.action ?? 'files.read'
  return {
    from: ADA,
    to: CAMERA,
    domain: 'rpc',
    action,
    catalogEntry: { effects: 'read', permission: action },
    ...changes,
  }
}

/** The subject field of a layer that covers Ada's camera when Ada asks. */
export const LAYER_SUBJECTS: Readonly<Record<LayerName, string>> = {
  fleet: 'any',
  owner: `uri:${ADA.uri}`,
  device: `uri:${CAMERA.uri}`,
  session: `uri:${ADA.uri}`,
}
