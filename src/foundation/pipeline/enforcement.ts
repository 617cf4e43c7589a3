import { refuse, type Refusal } from '../base/index.ts'
import type { ProfileName } from '../profiles/index.ts'
import type { CallRequest, ConnectionFacts, PeerFacts } from './facts.ts'

/**
 * Where a module is asked: `admission` before TLS, by the address alone; `handshake` after AUTH and
 * before READY; `call` before policy.
 */
export const ENFORCEMENT_STAGES = ['admission', 'handshake', 'call'] as const
/** One of {@link ENFORCEMENT_STAGES}. */
export type EnforcementStage = (typeof ENFORCEMENT_STAGES)[number]

/** What is known at a stage; later stages know more. */
export interface EnforcementFacts {
  readonly connection: ConnectionFacts
  /** From `handshake` on. */
  readonly peer?: PeerFacts
  /** At `call`. */
  readonly call?: CallRequest
}

/**
 * A further demand on a profile. It says what is not met, or nothing: there is no way to say "allowed",
 * so that a module can only ever add refusals.
 */
export interface EnforcementModule {
  readonly name: string
  readonly stage: EnforcementStage
  /** @returns which demand is not met, a word; `undefined` when this module has no objection */
  unmet(facts: EnforcementFacts): string | undefined
}

/** The modules of every profile. */
export interface Enforcement {
  /**
   * Asks the modules of the profile whose listener the connection runs on.
   *
   * @returns the first objection, KOS_PIPELINE_ENFORCED with rule `module/demand`
   */
  refuse(stage: EnforcementStage, facts: EnforcementFacts): Refusal | undefined
  /** One line per profile that has modules: `SEC-2: time-window (call)`. */
  readonly described: readonly string[]
}

/** Modules per profile. */
export type EnforcementModules = ReadonlyMap<ProfileName, readonly EnforcementModule[]>

/** No modules: what the profile itself demands is all. */
export const NO_ENFORCEMENT: Enforcement = createEnforcement(new Map())

/**
 * Makes the check of enforcement modules.
 *
 * **Security:** a module that throws has an objection: it fails closed.
 *
 * @param modules - by profile; a profile without an entry demands nothing further
 */
export function createEnforcement(modules: EnforcementModules): Enforcement {
  // Sorted once: a call costs nothing where its stage has no module.
  const byStage = Object.fromEntries(
    ENFORCEMENT_STAGES.map((stage) => [stage, modulesOf(modules, stage)]),
  ) as Readonly<Record<EnforcementStage, EnforcementModules>>
  return Object.freeze({
    refuse(stage: EnforcementStage, facts: EnforcementFacts): Refusal | undefined {
      const asked = byStage[stage].get(facts.connection.listener.name)
      if (!asked) return undefined
      for (const module of asked) {
        const unmet = objection(module, facts)
        if (unmet !== undefined) return refuse('KOS_PIPELINE_ENFORCED', `${module.name}/${unmet}`)
      }
      return undefined
    },
    described: [...modules].map(
      ([profile, list]) =>
        `${profile}: ${list.map(({ name, stage }) => `${name} (${stage})`).join(', ')}`,
    ),
  })
}

function modulesOf(modules: EnforcementModules, stage: EnforcementStage): EnforcementModules {
  const found = new Map<ProfileName, readonly EnforcementModule[]>()
  for (const [profile, list] of modules) {
    const fitting = list.filter((module) => module.stage === stage)
    if (fitting.length > 0) found.set(profile, fitting)
  }
  return found
}

function objection(module: EnforcementModule, facts: EnforcementFacts): string | undefined {
  try {
    return module.unmet(facts)
  } catch {
    return 'failed'
  }
}
