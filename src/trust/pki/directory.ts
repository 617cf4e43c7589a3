import {
  isRefusal,
  parsePrincipal,
  type PrincipalKind,
  type PrincipalUri,
  refuse,
  type Refusal,
  type TrustDomain,
  zm,
} from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import { PROFILE_NAMES, type ProfileName } from '../../foundation/profiles/index.ts'
import type { NumberedLimits, NumberedObject } from './numbered.ts'
import { readNumberedBody } from './numbered-body.ts'
import { createNumberedState, type HeldObject } from './numbered-state.ts'
import type { TrustBundle } from './trust-bundle.ts'

/** `host:port` of listeners, by their profile; at least one address each. */
export type ListenerAddresses = { readonly [P in ProfileName]?: readonly string[] | undefined }

/** What the authority says of one principal in the signed directory. */
export interface DirectoryEntry {
  readonly uri: PrincipalUri
  readonly kind: PrincipalKind
  readonly id: string
  /** The name that people use; unique in the directory. */
  readonly name: string
  /** `host:port` where the listener of its own profile is reached. */
  readonly addresses: readonly string[]
  /** `host:port` of its other listeners; absent: it has none. */
  readonly listeners?: ListenerAddresses | undefined
  /** SHA-256 of the identity key's SubjectPublicKeyInfo. */
  readonly identityKeyHash: Uint8Array
  readonly profile: ProfileName
  readonly roles: readonly string[]
  readonly groups: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** URI of the owning user. */
  readonly owner?: string | undefined
  readonly zone?: string | undefined
}

/** What is given to be signed; kind and id follow from the URI. */
export type DirectoryEntryInput = Omit<DirectoryEntry, 'uri' | 'kind' | 'id'> & {
  readonly uri: string
}

/** Most principals in a directory. */
export const MAX_DIRECTORY_ENTRIES = 65_536
/** Bounds of a signed directory. */
export const DIRECTORY_LIMITS: Required<NumberedLimits> = Object.freeze({
  maxBytes: 32 * 1024 * 1024,
  maxItems: 4 * 1024 * 1024,
})
const MAX_FACTS = 256

const word = zm.string().check(zm.minLength(1), zm.maxLength(128))
const words = zm.array(word).check(zm.maxLength(MAX_FACTS))
const principal = zm.string().check(zm.maxLength(512))

const address = zm.string().check(zm.minLength(1), zm.maxLength(262))
const someAddresses = zm.optional(zm.array(address).check(zm.minLength(1), zm.maxLength(8)))
const listeners = zm
  .strictObject({
    'SEC-1': someAddresses,
    'SEC-2': someAddresses,
    'SEC-3': someAddresses,
    'SEC-4': someAddresses,
  })
  // One spelling only: a principal without other listeners has no such field.
  .check(zm.refine((value) => Object.keys(value).length > 0))

const entrySchema = zm.strictObject({
  uri: principal,
  name: word,
  addresses: zm.array(address).check(zm.maxLength(8)),
  listeners: zm.optional(listeners),
  identityKeyHash: zm.instanceof(Uint8Array).check(zm.refine((hash) => hash.length === 32)),
  profile: zm.enum(PROFILE_NAMES),
  roles: words,
  groups: words,
  labels: zm.record(word, zm.string().check(zm.maxLength(256))),
  owner: zm.optional(
    zm.string().check(
      zm.maxLength(512),
      zm.refine((uri) => parsePrincipal(uri) !== undefined),
    ),
  ),
  zone: zm.optional(word),
})
const directorySchema = zm.strictObject({
  entries: zm.array(entrySchema).check(zm.maxLength(MAX_DIRECTORY_ENTRIES)),
})

/** The body of a signed directory, sorted by URI. */
export function encodeDirectory(entries: readonly DirectoryEntryInput[]): CborInput {
  const sorted = entries.toSorted((a, b) => (a.uri < b.uri ? -1 : 1))
  return { entries: sorted.map((entry) => encodeEntry(entry)) }
}

function encodeEntry(entry: DirectoryEntryInput): CborInput {
  const { uri, name, addresses, identityKeyHash, profile } = entry
  const { roles, groups, labels, owner, zone, listeners = {} } = entry
  const others: Record<string, readonly string[]> = {}
  for (const [profile, at] of Object.entries(listeners)) if (at?.length) others[profile] = at
  return {
    uri,
    name,
    addresses,
    ...(Object.keys(others).length > 0 && { listeners: others }),
    identityKeyHash,
    profile,
    roles,
    groups,
    labels: { ...labels },
    ...(owner !== undefined && { owner }),
    ...(zone !== undefined && { zone }),
  }
}

/** The directory in force, and look-ups in it. */
export interface DirectoryState {
  /** The newest directory; `undefined` until the first one was applied. */
  readonly current: HeldObject<Directory> | undefined
  /**
   * Takes a directory if it is genuine and not older than the one held.
   *
   * @returns what happened, or a refusal KOS_PKI_OBJECT or KOS_PKI_OLDER; nothing changes then
   */
  apply(signed: Uint8Array): 'newer' | 'same' | Refusal
  /** By the name that people use. */
  byName(name: string): DirectoryEntry | undefined
  /** By principal URI. */
  byUri(uri: string): DirectoryEntry | undefined
  /** By id; `undefined` also when two kinds of principal share it. */
  byId(id: string): DirectoryEntry | undefined
}

/** A read directory. */
export interface Directory {
  readonly entries: readonly DirectoryEntry[]
  readonly byName: ReadonlyMap<string, DirectoryEntry>
  readonly byUri: ReadonlyMap<string, DirectoryEntry>
  /** `undefined` stands for an id that two kinds of principal share. */
  readonly byId: ReadonlyMap<string, DirectoryEntry | undefined>
}

/**
 * Holds the newest directory of a trust domain.
 *
 * **Security:** the directory gives names, addresses and roles; who a peer is, its certificate and
 * AUTH prove.
 *
 * @param deps - the newest trust bundle, asked at every call
 * @see identity: Proof between peers
 */
export function createDirectoryState(deps: { readonly trust: () => TrustBundle }): DirectoryState {
  const state = createNumberedState<Directory>(
    { kind: 'directory', role: 'directory', limits: DIRECTORY_LIMITS, read: readDirectory },
    deps.trust,
  )
  const value = (): Directory | undefined => state.current?.value
  return {
    get current(): HeldObject<Directory> | undefined {
      return state.current
    },
    apply: (signed): 'newer' | 'same' | Refusal => state.apply(signed),
    byName: (name): DirectoryEntry | undefined => value()?.byName.get(name),
    byUri: (uri): DirectoryEntry | undefined => value()?.byUri.get(uri),
    byId: (id): DirectoryEntry | undefined => value()?.byId.get(id),
  }
}

function readDirectory(object: NumberedObject, bundle: TrustBundle): Directory | Refusal {
  const body = readNumberedBody(object, directorySchema, DIRECTORY_LIMITS)
  if (isRefusal(body)) return body
  const byName = new Map<string, DirectoryEntry>()
  const byUri = new Map<string, DirectoryEntry>()
  const byId = new Map<string, DirectoryEntry | undefined>()
  for (const raw of body.entries) {
    const entry = readEntry(raw, bundle.trustDomain)
    if (!entry) return refuse('KOS_PKI_OBJECT', 'body: principal')
    if (byName.has(entry.name) || byUri.has(entry.uri)) {
      return refuse('KOS_PKI_OBJECT', 'body: twice')
    }
    byName.set(entry.name, entry)
    byUri.set(entry.uri, entry)
    byId.set(entry.id, byId.has(entry.id) ? undefined : entry)
  }
  return Object.freeze({ entries: Object.freeze([...byUri.values()]), byName, byUri, byId })
}

// A principal of another trust domain cannot stand in our directory, whoever signed it.
function readEntry(
  raw: zm.infer<typeof entrySchema>,
  trustDomain: TrustDomain,
): DirectoryEntry | undefined {
  const named = parsePrincipal(raw.uri)
  if (named?.trustDomain !== trustDomain) return undefined
  const { uri, kind, id } = named
  return Object.freeze({ ...raw, uri, kind, id })
}
