import type { GrantLimit, ManifestVersion, PolicyGrant } from './decision.ts'
import type { Manifest } from './manifest.ts'
import type { CompiledRule } from './rule-index.ts'

/** The allow rule that one layer contributes to a grant. */
export interface LayerRule {
  readonly manifest: Pick<Manifest, 'kind' | 'subject'>
  readonly rule: CompiledRule
}

/**
 * Makes a grant of the allow rules of all present layers.
 *
 * @param fleet - the version of the fleet manifest
 * @param rules - one per layer, the fleet's first
 */
export function grantOf(fleet: ManifestVersion, rules: readonly LayerRule[]): PolicyGrant {
  const names = rules.map(({ rule }) => rule.name)
  const limits: GrantLimit[] = []
  for (const { manifest, rule } of rules) {
    if (rule.limit === undefined) continue
    const { kind, subject } = manifest
    limits.push({ rule: rule.name, key: `${kind} ${subject} ${rule.source.id}`, rate: rule.limit })
  }
  return Object.freeze({
    allow: true,
    rule: names[0] ?? '',
    layer: 'fleet',
    manifestNumber: fleet.number,
    manifestHash: fleet.hash,
    rules: Object.freeze(names),
    limits: Object.freeze(limits),
  })
}
