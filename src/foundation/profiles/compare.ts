import { refuse, type Refusal } from '../base/index.ts'
import { type Profile, PROFILE_NAMES, type ProfileName } from './profile.ts'
import { PROFILES } from './table.ts'

/** The profile of a name. */
export function profileOf(name: ProfileName): Profile {
  return PROFILES[name]
}

/** Parses `SEC-2` or `kOS-SEC-2`; `undefined` when the text names no profile. */
export function parseProfileName(text: string): ProfileName | undefined {
  const name = text.startsWith('kOS-') ? text.slice(4) : text
  return PROFILE_NAMES.find((known) => known === name)
}

/** The profile of a level as it stands in a certificate; `undefined` when out of range. */
export function profileOfLevel(level: number): Profile | undefined {
  const name = PROFILE_NAMES[level]
  return name === undefined ? undefined : PROFILES[name]
}

/** Whether a profile is at least as strict as a floor. */
export function atLeast(profile: Profile, floor: Profile): boolean {
  return profile.level >= floor.level
}

/** The stricter of two profiles: transport between two principals follows it. */
export function stricterOf(a: Profile, b: Profile): Profile {
  return atLeast(a, b) ? a : b
}

/** The weaker of two profiles: rights between two principals follow its ceiling. */
export function weakerOf(a: Profile, b: Profile): Profile {
  return atLeast(a, b) ? b : a
}

/**
 * The no-downgrade rule: a device's profile may stay or rise, never fall.
 *
 * @param floor - the profile the device has
 * @param wanted - the profile it is to get
 * @returns `undefined` when allowed, else a refusal `KOS_PROFILES_DOWNGRADE`
 * @see device-security-profiles.md section 8
 */
export function refuseDowngrade(floor: Profile, wanted: Profile): Refusal | undefined {
  if (atLeast(wanted, floor)) return undefined
  return refuse('KOS_PROFILES_DOWNGRADE', 'profile-floor', {
    remedy: `The profile stays at ${floor.name} or rises; it never goes down.`,
    details: { floor: floor.name, wanted: wanted.name },
  })
}
