/** Signed manifests in layers, decisions with their reasons, the stage that authorises calls. */
export {
  type AuthoriseFacts,
  type AuthorisePort,
  type CommandFacts,
  createAuthorisePort,
} from './authorise.ts'
export { type Condition, type Scalar } from './condition.ts'
export {
  type Decision,
  type Domain,
  type GrantLimit,
  type PendingGrant,
  type PolicyGrant,
  type PolicyRequest,
} from './decision.ts'
export { defaultFleetManifest } from './defaults.ts'
export {
  createPolicyEngine,
  type LoadedManifest,
  type ManifestFloor,
  type ManifestLoaded,
  type ManifestPlace,
  type ManifestVerifier,
  type PolicyEngine,
  type PolicyEngineDeps,
  type PolicyEngineOptions,
  type VerifiedManifest,
} from './engine.ts'
export { policyErrors } from './errors.ts'
export {
  type Explanation,
  explanationToText,
  type LayerExplanation,
  type LayerVerdict,
  type RuleExplanation,
  type RuleResult,
} from './explain.ts'
export {
  type CommandEffects,
  type LayerName,
  LAYERS,
  type Manifest,
  MANIFEST_DOMAINS,
  MANIFEST_LIMITS,
  type ManifestDomain,
  type Obligation,
  OBLIGATIONS,
  parseManifest,
  type Rule,
  type RuleLimits,
  type SelectorList,
} from './manifest.ts'
export {
  type ManifestNames,
  manifestToJson,
  manifestToText,
  parseManifestJson,
} from './manifest-text.ts'
export {
  createManifestVerifier,
  encodeManifest,
  SIGNED_MANIFEST_LIMITS,
  signManifest,
} from './signing.ts'
export {
  type DirectoryFacts,
  MAX_SUBJECT_FACTS,
  type SubjectFacts,
  subjectFacts,
} from './subject.ts'
