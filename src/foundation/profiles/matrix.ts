import { profileOf, weakerOf } from './compare.ts'
import { type AuthenticationRule, PROFILE_NAMES, type ProfileName } from './profile.ts'

/** Why two floors hold no session. */
export type MeetingRule =
  /** One of them is SEC-0: it raises alerts, and that is all. */
  | 'no-session'
  /** A SEC-1 device has no certificate, and only the authority holds its key. */
  | 'authority-only'
  /** Below SEC-4 nobody has the listener that a SEC-4 end demands; let the other end dial. */
  | 'no-listener'

/** How one end proves itself. */
export type MeetingFactor = AuthenticationRule['factor']

/** What comes of one floor dialling another. */
export type Meeting =
  | { readonly may: false; readonly rule: MeetingRule }
  | {
      readonly may: true
      /** Whose listener the session runs on: its suite, groups and pins hold for both ends. */
      readonly listener: ProfileName
      /** Each end authenticates at its own floor. */
      readonly dialler: MeetingFactor
      readonly listening: MeetingFactor
      /** The lower permission ceiling of both; manifests grant less, never more. */
      readonly ceiling: ProfileName
      /** The SEC-4 end has to find the other in its cluster, or nothing comes of it. */
      readonly membersOnly: boolean
    }

type Cell = ProfileName | MeetingRule
type Row = readonly [Cell, Cell, Cell, Cell, Cell]

/** Rows dial, columns listen, both from SEC-0 to SEC-4; a cell names the listener, or why not. */
const MEMBERS: Readonly<Record<ProfileName, Row>> = Object.freeze({
  'SEC-0': ['no-session', 'no-session', 'no-session', 'no-session', 'no-session'],
  'SEC-1': ['no-session', 'authority-only', 'authority-only', 'authority-only', 'authority-only'],
  'SEC-2': ['no-session', 'authority-only', 'SEC-2', 'SEC-3', 'SEC-4'],
  'SEC-3': ['no-session', 'authority-only', 'SEC-3', 'SEC-3', 'SEC-4'],
  'SEC-4': ['no-session', 'authority-only', 'no-listener', 'no-listener', 'SEC-4'],
})

/** The authority has a listener for every floor, and meets every floor on its own. */
const AUTHORITY: Row = ['no-session', 'SEC-1', 'SEC-2', 'SEC-3', 'SEC-4']

/**
 * The matrix of profiles: whether a member of one floor may open a session with a member of another,
 * on which listener, and how each end authenticates. Both ends ask it on every connection.
 *
 * **Security:** it says what two floors may do at most. Whether these two principals may is for locks,
 * pins, cluster membership and the manifest.
 *
 * @param dialler - floor of the end that connects
 * @param listener - floor of the end that is connected to
 * @see docs/profiles.md, Who may meet whom
 */
export function meeting(dialler: ProfileName, listener: ProfileName): Meeting {
  const cell = MEMBERS[dialler][profileOf(listener).level]
  const factors = { dialler: factorOf(dialler), listening: factorOf(listener) }
  const ceiling = weakerOf(profileOf(dialler), profileOf(listener)).name
  const membersOnly = [dialler, listener].some((floor) => isMembersOnly(floor))
  return meetingOf(cell, { ...factors, ceiling, membersOnly })
}

/**
 * The matrix between a member and the authority, whoever of both dials.
 *
 * @param member - floor of the member
 */
export function meetingWithAuthority(member: ProfileName): Meeting {
  // Where a device has a key and no certificate, the authority proves itself by the same key.
  const authority = factorOf(member) === 'psk' ? 'psk' : 'identity-key'
  const factors = { dialler: factorOf(member), listening: authority } as const
  const ends = { ...factors, ceiling: member, membersOnly: false }
  return meetingOf(AUTHORITY[profileOf(member).level], ends)
}

/**
 * The listeners that a member of a floor has: those of the matrix on which somebody may reach it.
 *
 * @returns the own floor's first; none when the floor holds no certificate
 */
export function listenersOf(floor: ProfileName): readonly ProfileName[] {
  const cells = PROFILE_NAMES.map((dialler) => MEMBERS[dialler][profileOf(floor).level])
  return PROFILE_NAMES.filter((name) => cells.includes(name))
}

type Ends = Omit<Meeting & { readonly may: true }, 'may' | 'listener'>

function meetingOf(cell: Cell, ends: Ends): Meeting {
  return isProfile(cell) ? { may: true, listener: cell, ...ends } : { may: false, rule: cell }
}

function isProfile(cell: Cell): cell is ProfileName {
  return PROFILE_NAMES.some((name) => name === cell)
}

function isMembersOnly(floor: ProfileName): boolean {
  return profileOf(floor).authentication.clusterMembersOnly
}

function factorOf(floor: ProfileName): MeetingFactor {
  return profileOf(floor).authentication.factor
}
