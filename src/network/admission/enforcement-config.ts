import { isRefusal, parseJson, refuse, type Refusal } from '../../foundation/base/index.ts'
import {
  createEnforcement,
  type Enforcement,
  ENFORCEMENT_STAGES,
  type EnforcementModule,
  type EnforcementStage,
} from '../../foundation/pipeline/index.ts'
import { PROFILE_NAMES, type ProfileName } from '../../foundation/profiles/index.ts'
import {
  ENFORCEMENT_MODULES,
  type EnforcementPorts,
  type ModuleEntry,
} from './enforcement-modules.ts'

/** Largest configuration of enforcement modules, in bytes. */
export const MAX_ENFORCEMENT_BYTES: number = 64 * 1024
const MAX_MODULES = 32

/**
 * Reads a configuration of enforcement modules: `{ "version": 1, "profiles": { "SEC-2": [ { "module":
 * "source-network", "allow": ["192.0.2.0/24"] } ] } }`.
 *
 * @param text - JSON, ≤ {@link MAX_ENFORCEMENT_BYTES}
 * @param ports - what modules ask
 * @returns the modules, or a refusal KOS_ADMISSION_ENFORCEMENT whose rule names where and what: nothing of
 * a configuration with one mistake is in force
 */
export function parseEnforcement(text: string, ports: EnforcementPorts): Enforcement | Refusal {
  const parsed = parseJson(text, MAX_ENFORCEMENT_BYTES)
  if (isRefusal(parsed)) return invalid(parsed.rule)
  const root = parsed.value
  const odd = keysProblem('', root, ['version', 'profiles'])
  if (odd) return odd
  const { version, profiles } = root as Readonly<Record<string, unknown>>
  if (version !== 1) return invalid('version: 1 is known')
  const oddProfile = keysProblem('profiles', profiles, PROFILE_NAMES)
  if (oddProfile) return oddProfile
  const modules = new Map<ProfileName, readonly EnforcementModule[]>()
  for (const name of PROFILE_NAMES) {
    const list = (profiles as Readonly<Record<string, unknown>>)[name]
    if (list === undefined) continue
    const made = modulesOf(`profiles.${name}`, list, ports)
    if (isRefusal(made)) return made
    modules.set(name, made)
  }
  return createEnforcement(modules)
}

function modulesOf(
  path: string,
  list: unknown,
  ports: EnforcementPorts,
): readonly EnforcementModule[] | Refusal {
  if (!Array.isArray(list) || list.length > MAX_MODULES) return invalid(`${path}: list`)
  const made: EnforcementModule[] = []
  for (const [index, entry] of (list as readonly unknown[]).entries()) {
    const module = moduleOf(`${path}.${index}`, entry, ports)
    if (isRefusal(module)) return module
    made.push(module)
  }
  return made
}

function moduleOf(
  path: string,
  entry: unknown,
  ports: EnforcementPorts,
): EnforcementModule | Refusal {
  if (!isObject(entry)) return invalid(`${path}: object`)
  const { module: name, stage, ...settings } = entry
  const known = ENFORCEMENT_MODULES.find((one) => one.name === name)
  if (!known) return invalid(`${path}.module: unknown ${nameOf(name)}`)
  const odd = keysProblem(path, settings, known.settings)
  if (odd) return odd
  const chosen = stageOf(known, stage)
  if (!chosen) return invalid(`${path}.stage: ${known.stages.join(' or ')}`)
  const unmet = known.make(settings, ports)
  if (typeof unmet === 'string') return invalid(`${path}.${unmet}: not valid`)
  return Object.freeze({ name: known.name, stage: chosen, unmet })
}

function stageOf({ stages }: ModuleEntry, stage: unknown): EnforcementStage | undefined {
  if (stage === undefined) return stages[0]
  const named = ENFORCEMENT_STAGES.find((one) => one === stage)
  return named && stages.includes(named) ? named : undefined
}

function keysProblem(
  path: string,
  value: unknown,
  allowed: readonly string[],
): Refusal | undefined {
  if (!isObject(value)) return invalid(`${path === '' ? 'value' : path}: object`)
  const unknown = Object.keys(value).find((key) => !allowed.includes(key))
  if (unknown === undefined) return undefined
  return invalid(`${path === '' ? '' : `${path}: `}unknown ${nameOf(unknown)}`)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A name from the file, as an error may repeat it. */
function nameOf(value: unknown): string {
  return typeof value === 'string' && /^[\w.-]{1,64}$/.test(value) ? value : '?'
}

function invalid(rule: string): Refusal {
  return refuse('KOS_ADMISSION_ENFORCEMENT', rule)
}
