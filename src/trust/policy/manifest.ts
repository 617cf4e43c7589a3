import {
  parsePrincipal,
  refuse,
  type Refusal,
  validate,
  type Validation,
  z,
} from '../../foundation/base/index.ts'
import { canonicalPath, type Condition } from './condition.ts'
import { groupCycle } from './groups.ts'
import { parsePattern } from './pattern.ts'
import { ANY, isSelectorWord, OWNER, parseSelector } from './selector.ts'

/** The layers of policy, widest first. Every present layer must allow; none can widen another. */
export const LAYERS = ['fleet', 'owner', 'device', 'session'] as const
/** One of {@link LAYERS}; stands as `kind` in a manifest. */
export type LayerName = (typeof LAYERS)[number]

/** What manifests decide. The `fabric` domain is not among them: a frozen table decides it. */
export const MANIFEST_DOMAINS = ['rpc', 'bus', 'file', 'memory', 'exec', 'net', 'update'] as const
/** One of {@link MANIFEST_DOMAINS}. */
export type ManifestDomain = (typeof MANIFEST_DOMAINS)[number]

/** What a command does to its target, as its catalog entry says. */
export type CommandEffects = 'read' | 'change'

/** What the enforcing side must guarantee for an allow rule to count. */
export const OBLIGATIONS = ['audit', 'confirm', 'mfa', 'redact'] as const
/** One of {@link OBLIGATIONS}. */
export type Obligation = (typeof OBLIGATIONS)[number]

/**
 * Alternatives of selectors: one of the elements must match; an element that is a list matches when
 * all its selectors do. Selectors: `any`, `owner`, `uri:…`, `id:…`, `kind:…`, `role:…`, `group:…`,
 * `label:key=value`, `profile:SEC-n` (at least).
 */
export type SelectorList = readonly (string | readonly string[])[]

/** The rate an allow rule grants to each caller. */
export interface RuleLimits {
  /** Sustained calls per minute. */
  readonly perMinute: number
  /** Calls at once. */
  readonly burst: number
}

/** One rule of a manifest. The order of rules means nothing. */
export interface Rule {
  /** Unique in the manifest; stands in refusals and in the audit log. */
  readonly id: string
  readonly effect: 'allow' | 'deny'
  readonly domain: ManifestDomain
  /** Who asks. */
  readonly from: SelectorList
  /** Who is asked. */
  readonly to: SelectorList
  /** Action patterns: segments, `*` for one segment, `>` at the end for one or more. */
  readonly actions: readonly string[]
  /** Only actions with this effect; absent: both. */
  readonly effects?: CommandEffects | undefined
  /** Conditions on canonical arguments; all must hold. */
  readonly when?: readonly Condition[] | undefined
  readonly limits?: RuleLimits | undefined
  readonly obligations?: readonly Obligation[] | undefined
}

/** A policy manifest, version 1: the body of a signed numbered object of kind `manifest`. */
export interface Manifest {
  readonly apiVersion: 'kos/v1'
  readonly kind: LayerName
  /**
   * Whom the layer covers: `any` for the fleet; `uri:…` of the owner of the targets, of the one
   * target, or of the one caller for the layers owner, device and session.
   */
  readonly subject: string
  /** Last millisecond (since 1970) at which the manifest counts. */
  readonly notAfter: number
  readonly groups: Readonly<Record<string, SelectorList>>
  readonly rules: readonly Rule[]
}

/** The bounds of a manifest. */
export const MANIFEST_LIMITS: Readonly<{
  maxRules: number
  maxGroups: number
  maxGroupMembers: number
  maxAlternatives: number
  maxConjunction: number
  maxActions: number
  maxConditions: number
  maxOneOf: number
  maxItems: number
  maxIndexEntries: number
}> = Object.freeze({
  maxRules: 100_000,
  maxGroups: 4096,
  maxGroupMembers: 10_000,
  maxAlternatives: 64,
  maxConjunction: 8,
  maxActions: 64,
  maxConditions: 16,
  maxOneOf: 256,
  /** Elements of all lists and maps together. */
  maxItems: 4_000_000,
  /** Callers × targets × patterns of all rules: what an index of them holds. */
  maxIndexEntries: 2_000_000,
})

const MAX_DEPTH = 8
const MAX_TEXT = 640
const RULE_ID = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/
const ARGUMENT = /^[A-Za-z_][A-Za-z0-9_-]{0,63}(?:\.[A-Za-z_][A-Za-z0-9_-]{0,63}){0,3}$/
const MAX_NOT_AFTER = 8_640_000_000_000_000

const selector = (fits: (canonical: string) => boolean): z.ZodType<string> =>
  z
    .string()
    .max(MAX_TEXT)
    .refine((text) => {
      const canonical = parseSelector(text)
      return canonical !== undefined && fits(canonical)
    })

const selectorList = (item: z.ZodType<string>, maxLength: number): z.ZodType<SelectorList> =>
  z
    .array(z.union([item, z.array(item).min(1).max(MANIFEST_LIMITS.maxConjunction)]))
    .min(1)
    .max(maxLength)

/** The first segment `fabric` is the system's own; wildcards never reach it either. */
const PATTERN = z.string().refine((text) => {
  const segments = parsePattern(text)
  return segments !== undefined && segments[0] !== 'fabric'
})

const SCALAR = z.union([z.string().max(MAX_TEXT), z.int(), z.boolean(), z.null()])
const argument = z.string().regex(ARGUMENT)
const CONDITION: z.ZodType<Condition> = z.union([
  z.strictObject({
    argument,
    pathPrefix: z.string().refine((text) => canonicalPath(text) !== undefined),
  }),
  z.strictObject({ argument, equals: SCALAR }),
  z.strictObject({ argument, oneOf: z.array(SCALAR).min(1).max(MANIFEST_LIMITS.maxOneOf) }),
  z.strictObject({
    argument,
    range: z
      .strictObject({ min: z.int().optional(), max: z.int().optional() })
      .refine(({ min = -Infinity, max = Infinity }) => min <= max),
  }),
])

const RULE_SELECTORS = selectorList(
  selector(() => true),
  MANIFEST_LIMITS.maxAlternatives,
)
const RULE: z.ZodType<Rule> = z
  .strictObject({
    id: z.string().regex(RULE_ID),
    effect: z.enum(['allow', 'deny']),
    domain: z.enum(MANIFEST_DOMAINS),
    from: RULE_SELECTORS,
    to: RULE_SELECTORS,
    actions: z.array(PATTERN).min(1).max(MANIFEST_LIMITS.maxActions),
    effects: z.enum(['read', 'change']).optional(),
    when: z.array(CONDITION).min(1).max(MANIFEST_LIMITS.maxConditions).optional(),
    limits: z
      .strictObject({
        perMinute: z.int().min(1).max(6_000_000),
        burst: z.int().min(1).max(100_000),
      })
      .optional(),
    obligations: z.array(z.enum(OBLIGATIONS)).min(1).max(OBLIGATIONS.length).optional(),
  })
  // A deny rule with a rate or an obligation would deny less than it says.
  .refine(({ effect, limits, obligations }) => effect === 'allow' || !(limits ?? obligations))

const MANIFEST: z.ZodType<Manifest> = z.strictObject({
  apiVersion: z.literal('kos/v1'),
  kind: z.enum(LAYERS),
  subject: z.string().max(MAX_TEXT),
  notAfter: z.int().min(0).max(MAX_NOT_AFTER),
  groups: z
    .record(
      z.string().refine(isSelectorWord),
      selectorList(
        selector((canonical) => canonical !== OWNER),
        MANIFEST_LIMITS.maxGroupMembers,
      ),
    )
    .refine((groups) => Object.keys(groups).length <= MANIFEST_LIMITS.maxGroups),
  rules: z.array(RULE).max(MANIFEST_LIMITS.maxRules),
})

/**
 * Checks that plain data is a manifest: shape, bounds, selectors, patterns, conditions, unique rule
 * ids, a subject that fits the layer, groups without cycles.
 *
 * @param body - plain data, decoded from CBOR or JSON
 * @returns the manifest, deeply frozen, or a refusal KOS_POLICY_MANIFEST, _SIZE, _LAYER or _CYCLE
 *
 * **Security:** says nothing about who wrote it: signature, number and expiry are checked where a
 * manifest is loaded.
 */
export function parseManifest(body: unknown): Manifest | Refusal {
  const shaped = validate(MANIFEST, body, {
    maxDepth: MAX_DEPTH,
    maxItems: MANIFEST_LIMITS.maxItems,
  })
  if (!shaped.allow) return shapeRefusal(shaped)
  const manifest = shaped.value
  if (!subjectFits(manifest)) {
    return refuse('KOS_POLICY_MANIFEST_LAYER', `subject: not of the layer ${manifest.kind}`)
  }
  const twice = firstDuplicate(manifest.rules)
  if (twice !== undefined) return refuse('KOS_POLICY_MANIFEST', `rules: ${twice} stands twice`)
  if (indexEntries(manifest) > MANIFEST_LIMITS.maxIndexEntries) {
    return refuse('KOS_POLICY_MANIFEST_SIZE', 'rules: too many combinations of selectors')
  }
  const cycle = groupCycle(manifest.groups)
  if (cycle !== undefined) return refuse('KOS_POLICY_MANIFEST_CYCLE', `groups: ${cycle}`)
  return deepFreeze(manifest)
}

function shapeRefusal(refusal: Extract<Validation<unknown>, { allow: false }>): Refusal {
  const tooLarge = /too_big|too many/.test(refusal.rule)
  return refuse(tooLarge ? 'KOS_POLICY_MANIFEST_SIZE' : 'KOS_POLICY_MANIFEST', refusal.rule)
}

/** The fleet layer covers everything, or a narrow one would leave the rest without a fleet layer. */
function subjectFits({ kind, subject }: Manifest): boolean {
  if (kind === 'fleet') return subject === ANY
  return subject.startsWith('uri:') && parsePrincipal(subject.slice(4)) !== undefined
}

function indexEntries({ rules }: Manifest): number {
  let entries = 0
  for (const { from, to, actions } of rules) entries += from.length * to.length * actions.length
  return entries
}

function firstDuplicate(rules: readonly Rule[]): string | undefined {
  const seen = new Set<string>()
  for (const { id } of rules) {
    if (seen.has(id)) return id
    seen.add(id)
  }
  return undefined
}

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) {
    if (typeof child === 'object' && child !== null) deepFreeze(child)
  }
  return Object.freeze(value)
}
