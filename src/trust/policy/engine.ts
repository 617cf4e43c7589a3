import {
  type Clock,
  isRefusal,
  type Log,
  refuse,
  type Refusal,
  toHex,
} from '../../foundation/base/index.ts'
import { cborToPlain, type CborValue, codecErrors } from '../../foundation/codec/index.ts'
import { CompiledManifest } from './compile.ts'
import { FLEET_SUBJECT, type LayerTable, rule, type Ruling } from './decide.ts'
import type { Decision, PolicyGrant, PolicyRequest } from './decision.ts'
import { explainRequest, type Explanation } from './explain.ts'
import { type LayerName, LAYERS, type Manifest, parseManifest } from './manifest.ts'
import { isMemorable, RulingMemo } from './memo.ts'
import { RateLimiter } from './rate-limiter.ts'
import { ANY } from './selector.ts'
import type { SubjectFacts } from './subject.ts'

/** A manifest whose signature was verified: what `verifyNumbered` of trust/pki returns. */
export interface VerifiedManifest {
  readonly era: number
  readonly number: number
  readonly body: CborValue
  /** Hash of the signed object. */
  readonly hash: Uint8Array
}

/** Port: verifies the signature of the policy key; says nothing about number and content. */
export type ManifestVerifier = (signed: Uint8Array) => VerifiedManifest | Refusal

/** Where the caller expects a manifest to belong. */
export interface ManifestPlace {
  readonly layer?: LayerName
  /** As in `Manifest.subject`. */
  readonly subject?: string
}

/** The lowest place in a series that may be loaded: what a node held before it restarted. */
export interface ManifestFloor {
  readonly layer: LayerName
  readonly subject: string
  readonly era: number
  readonly number: number
}

/** One manifest in force. */
export interface LoadedManifest extends ManifestFloor {
  /** Lower-case hexadecimal. */
  readonly hash: string
  readonly manifest: Manifest
}

/** The answer to a load: the manifest in force, and whether it is another one than before. */
export interface ManifestLoaded {
  readonly allow: true
  readonly changed: boolean
  readonly loaded: LoadedManifest
}

/** What an engine needs. */
export interface PolicyEngineDeps {
  readonly clock: Clock
  readonly log: Log
  readonly verify: ManifestVerifier
}

/** Bounds of an engine. */
export interface PolicyEngineOptions {
  /** Manifests of all layers together; 4096 by default. */
  readonly maxManifests?: number
  /** Pairs of rule and caller whose rate is counted at once; 10,000 by default. */
  readonly maxLimitedCallers?: number
  readonly floors?: readonly ManifestFloor[]
}

/** The policy of one daemon: the manifests in force, and decisions by them. */
export interface PolicyEngine {
  /**
   * Puts a verified manifest in force, in one step: a decision sees the old or the new one, never
   * neither. A refused manifest changes nothing.
   *
   * **Security:** the caller vouches for the signature; use {@link PolicyEngine.loadSigned} for bytes.
   *
   * @param verified - what the verifier returned
   * @param place - where the caller expects it to belong; elsewhere it is refused
   * @returns what is in force, or a refusal KOS_POLICY_MANIFEST, _CYCLE, _EXPIRED, _LAYER, _OLDER or
   *   _SIZE
   */
  load(verified: VerifiedManifest, place?: ManifestPlace): ManifestLoaded | Refusal
  /** Verifies and loads; also refuses with KOS_POLICY_MANIFEST_SIGNATURE. */
  loadSigned(signed: Uint8Array, place?: ManifestPlace): ManifestLoaded | Refusal
  /** The manifests in force, widest layer first. */
  current(): readonly LoadedManifest[]
  /** Rises with every change: long-lived streams compare it and ask again. */
  readonly revision: number
  /**
   * Decides a request: deny by default, any matching deny wins, every present layer must allow.
   *
   * @returns a grant; a refusal; or, when `arguments` are not given and a rule looks at them, a
   *   pending grant
   */
  decide(request: PolicyRequest): Decision
  /**
   * Says what decided, which rules match or come near and why, and what would change the decision.
   * Reads every rule: not for hot paths.
   *
   * @param request - the question
   * @param maxRules - rules listed per layer; 20 by default
   */
  explain(request: PolicyRequest, maxRules?: number): Explanation
  /**
   * Counts a granted call against the limits of its rules.
   *
   * @returns `undefined` when it is within them, else a refusal KOS_POLICY_RATE
   */
  admit(grant: PolicyGrant, from: SubjectFacts): Refusal | undefined
}

/**
 * Creates an engine without manifests: it refuses everything but the fabric's own calls.
 *
 * @param deps - clock, log, and the verifier of the policy key
 * @param options - bounds, and floors kept from before a restart
 */
export function createPolicyEngine(
  deps: PolicyEngineDeps,
  options: PolicyEngineOptions = {},
): PolicyEngine {
  return new Engine(deps, options)
}

/** All that a decision reads; never changed, only replaced. */
interface PolicyState {
  readonly layers: LayerTable
  readonly loaded: ReadonlyMap<string, LoadedManifest>
  readonly memo: RulingMemo
  readonly revision: number
}

const EMPTY_STATE: Omit<PolicyState, 'memo'> = Object.freeze({
  layers: { fleet: new Map(), owner: new Map(), device: new Map(), session: new Map() },
  loaded: new Map(),
  revision: 0,
})

const DEFAULT_MAX_MANIFESTS = 4096
const DEFAULT_MAX_LIMITED_CALLERS = 10_000
const DEFAULT_EXPLAINED_RULES = 20

class Engine implements PolicyEngine {
  readonly #clock: Clock
  readonly #log: Log
  readonly #verify: ManifestVerifier
  readonly #maxManifests: number
  readonly #floors: ReadonlyMap<string, ManifestFloor>
  readonly #limiter: RateLimiter
  #state: PolicyState = { ...EMPTY_STATE, memo: new RulingMemo() }

  constructor(deps: PolicyEngineDeps, options: PolicyEngineOptions) {
    this.#clock = deps.clock
    this.#log = deps.log
    this.#verify = deps.verify
    this.#maxManifests = options.maxManifests ?? DEFAULT_MAX_MANIFESTS
    this.#floors = new Map(options.floors?.map((floor) => [placeKey(floor), floor]))
    this.#limiter = new RateLimiter(options.maxLimitedCallers ?? DEFAULT_MAX_LIMITED_CALLERS)
  }

  get revision(): number {
    return this.#state.revision
  }

  loadSigned(signed: Uint8Array, place: ManifestPlace = {}): ManifestLoaded | Refusal {
    const verified = this.#verify(signed)
    if (!isRefusal(verified)) return this.load(verified, place)
    // From outside all failures of a signature look alike; the log says which.
    this.#log.event('policy.manifest.refused', { code: verified.code, rule: verified.rule }, 'warn')
    return refuse('KOS_POLICY_MANIFEST_SIGNATURE', 'signature')
  }

  load(verified: VerifiedManifest, place: ManifestPlace = {}): ManifestLoaded | Refusal {
    const result = this.#prepare(verified, place)
    const { era, number } = verified
    if ('allow' in result) {
      if (isRefusal(result)) {
        const { code, rule } = result
        this.#log.event('policy.manifest.refused', { code, rule, era, number }, 'warn')
      }
      return result
    }
    const loaded = this.#replace(result)
    this.#log.event('policy.manifest.loaded', {
      kind: loaded.layer,
      name: loaded.subject,
      era,
      number,
      count: loaded.manifest.rules.length,
    })
    return { allow: true, changed: true, loaded }
  }

  current(): readonly LoadedManifest[] {
    return [...this.#state.loaded.values()].toSorted(
      (a, b) =>
        LAYERS.indexOf(a.layer) - LAYERS.indexOf(b.layer) || (a.subject < b.subject ? -1 : 1),
    )
  }

  decide(request: PolicyRequest): Decision {
    const { decision } = this.#rule(request, this.#clock.wallMs())
    if (decision.allow !== 'pending' || request.arguments === undefined) return decision
    return decision.decideArguments(request.arguments)
  }

  explain(request: PolicyRequest, maxRules: number = DEFAULT_EXPLAINED_RULES): Explanation {
    const nowMs = this.#clock.wallMs()
    const { layers } = this.#state
    return explainRequest({ layers, request, nowMs, decision: this.decide(request), maxRules })
  }

  admit(grant: PolicyGrant, from: SubjectFacts): Refusal | undefined {
    if (grant.limits.length === 0) return undefined
    return this.#limiter.take(grant, from, this.#clock.monotonicMs())
  }

  #rule(request: PolicyRequest, nowMs: number): Ruling {
    const { layers, memo } = this.#state
    if (!isMemorable(request)) return rule(layers, request, nowMs)
    const known = memo.get(request, nowMs)
    if (known !== undefined) return known
    const ruling = rule(layers, request, nowMs)
    memo.set(request, ruling)
    return ruling
  }

  /** Every check of a load; changes nothing. */
  #prepare(
    verified: VerifiedManifest,
    place: ManifestPlace,
  ): CompiledManifest | ManifestLoaded | Refusal {
    const manifest = readBody(verified.body)
    if (isRefusal(manifest)) return manifest
    if (!isVersion(verified)) return refuse('KOS_POLICY_MANIFEST', 'number')
    const misplaced = placeRefusal(manifest, place)
    if (misplaced !== undefined) return misplaced
    if (this.#clock.wallMs() > manifest.notAfter) {
      return refuse('KOS_POLICY_MANIFEST_EXPIRED', 'notAfter')
    }
    const version = { era: verified.era, number: verified.number, hash: toHex(verified.hash) }
    const key = placeKey({ layer: manifest.kind, subject: manifest.subject })
    const held = this.#state.loaded.get(key)
    const older = olderRefusal(version, { held, floor: this.#floors.get(key) })
    if (older !== undefined) return older
    // Not older than what is held and not newer either: the same manifest once more.
    if (held !== undefined && compare(version, held) === 0) {
      return { allow: true, changed: false, loaded: held }
    }
    if (held === undefined && this.#state.loaded.size >= this.#maxManifests) {
      return refuse('KOS_POLICY_MANIFEST_SIZE', 'manifests: too many')
    }
    return new CompiledManifest(manifest, version)
  }

  #replace(compiled: CompiledManifest): LoadedManifest {
    const { manifest, layer, version } = compiled
    const { layers, loaded, revision } = this.#state
    const now = Object.freeze({ layer, subject: manifest.subject, ...version, manifest })
    const covered = layer === 'fleet' ? FLEET_SUBJECT : manifest.subject.slice('uri:'.length)
    this.#state = {
      layers: { ...layers, [layer]: new Map(layers[layer]).set(covered, compiled) },
      loaded: new Map(loaded).set(placeKey(now), now),
      memo: new RulingMemo(),
      revision: revision + 1,
    }
    return now
  }
}

function readBody(body: CborValue): Manifest | Refusal {
  try {
    return parseManifest(cborToPlain(body))
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return refuse('KOS_POLICY_MANIFEST', `body: ${String(error.details['rule'])}`)
  }
}

function placeRefusal(manifest: Manifest, place: ManifestPlace): Refusal | undefined {
  const { layer = manifest.kind, subject = manifest.subject } = place
  if (layer !== manifest.kind) {
    return refuse('KOS_POLICY_MANIFEST_LAYER', `kind: ${manifest.kind} where ${layer} is expected`)
  }
  return subject === manifest.subject
    ? undefined
    : refuse('KOS_POLICY_MANIFEST_LAYER', 'subject: of another principal')
}

/** Anything else would compare as neither older nor newer. */
function isVersion({ era, number }: VerifiedManifest): boolean {
  return Number.isSafeInteger(era) && Number.isSafeInteger(number)
}

type Version = Pick<LoadedManifest, 'era' | 'number' | 'hash'>

/** The era first: a restored authority starts a new era with low numbers. */
function compare(a: Omit<Version, 'hash'>, b: Omit<Version, 'hash'>): number {
  return a.era - b.era || a.number - b.number
}

function olderRefusal(
  version: Version,
  { held, floor }: { held: LoadedManifest | undefined; floor: ManifestFloor | undefined },
): Refusal | undefined {
  const olderThan = [held, floor].find(
    (other) => other !== undefined && compare(version, other) < 0,
  )
  if (olderThan !== undefined) {
    return refuse('KOS_POLICY_MANIFEST_OLDER', 'number', {
      details: { era: olderThan.era, number: olderThan.number },
    })
  }
  const other = held !== undefined && compare(version, held) === 0 && version.hash !== held.hash
  return other ? refuse('KOS_POLICY_MANIFEST_OLDER', 'number: used for other content') : undefined
}

function placeKey({ layer, subject }: Pick<ManifestFloor, 'layer' | 'subject'>): string {
  return layer === 'fleet' ? `fleet ${ANY}` : `${layer} ${subject}`
}
