import { parsePrincipal, type Principal, type UnixMs, unixMs } from '../../foundation/base/index.ts'
import { CborReader, CborWriter } from '../../foundation/codec/index.ts'
import { type Profile, profileOfLevel } from '../../foundation/profiles/index.ts'
import { sessionErrors } from './errors.ts'
import { MAX_CONTROL_BYTES, MAX_DATA_BYTES } from './frames.ts'
import type { Role } from './key-schedule.ts'

/** The one version of the session protocol that this release speaks. */
export const PROTOCOL_VERSION: number = 1

const FIELDS = 10
const MAX_VERSIONS = 8
const NONCE_BYTES = 32
const MIN_FRAME_BYTES = 1024
const ROLE_NUMBERS: Readonly<Record<Role, number>> = { dialler: 1, listener: 2 }

/** Era and number of a signed, numbered object. */
export interface NumberedAt {
  readonly era: number
  readonly number: number
}

/** What a peer says about its state, so that the other end can see who is behind. */
export interface HelloState {
  /** The directory it holds; absent: none. */
  readonly directory?: NumberedAt | undefined
  /** The fleet manifest it holds; absent: none. */
  readonly manifest?: NumberedAt | undefined
  /** Its anti-rollback counter of updates. */
  readonly updateCounter: number
}

/** A HELLO: the first frame of both sides. Nothing in it is proven before AUTH. */
export interface Hello extends HelloState {
  /** Versions spoken, ascending. */
  readonly versions: readonly number[]
  readonly role: Role
  readonly principal: Principal
  readonly profile: Profile
  /** 32 random bytes. */
  readonly nonce: Uint8Array
  readonly time: UnixMs
  /** Longest control payload the sender takes, in bytes. */
  readonly maxControlBytes: number
  /** Longest DATA payload the sender takes, in bytes. */
  readonly maxDataBytes: number
}

/** What is kept of the peer's HELLO: the rest is proven by better means, or of no more use. */
export interface PeerHello extends HelloState {
  readonly role: Role
  readonly profile: Profile
  readonly maxControlBytes: number
  readonly maxDataBytes: number
}

/** What outlives the handshake. */
export function keptOf(hello: Hello): PeerHello {
  const { role, profile, maxControlBytes, maxDataBytes, directory, manifest, updateCounter } = hello
  return { role, profile, maxControlBytes, maxDataBytes, directory, manifest, updateCounter }
}

/** Encodes a HELLO payload. */
export function encodeHello(hello: Hello): Uint8Array {
  const writer = new CborWriter()
  writer.array(FIELDS)
  writer.array(hello.versions.length)
  for (const version of hello.versions) writer.uint(version)
  writer.uint(ROLE_NUMBERS[hello.role])
  writer.text(hello.principal.uri)
  writer.uint(hello.profile.level)
  writer.bytes(hello.nonce)
  writer.uint(hello.time)
  writer.array(2)
  writer.uint(hello.maxControlBytes)
  writer.uint(hello.maxDataBytes)
  writeNumbered(writer, hello.directory)
  writeNumbered(writer, hello.manifest)
  writer.uint(hello.updateCounter)
  return writer.take()
}

/**
 * Decodes a HELLO payload strictly. The form is the same in every version of the protocol, so that
 * peers of different releases can tell each other which versions they speak.
 *
 * @throws KOS_CODEC_CBOR or KOS_SESSION_PROTOCOL when it is anything else
 */
export function decodeHello(payload: Uint8Array): Hello {
  const reader = new CborReader(payload)
  if (reader.array() !== FIELDS) throw malformed('hello: fields')
  const hello: Hello = {
    versions: readVersions(reader),
    role: readRole(reader),
    principal: readPrincipal(reader),
    profile: readProfile(reader),
    nonce: readFixed(reader, NONCE_BYTES),
    time: unixMs(reader.uint()),
    ...readFrameSizes(reader),
    directory: readNumbered(reader),
    manifest: readNumbered(reader),
    updateCounter: reader.uint(),
  }
  reader.end()
  return hello
}

/** Makes the error of a payload that is CBOR but not of its form. */
export function malformed(rule: string): Error {
  return sessionErrors.error('KOS_SESSION_PROTOCOL', { rule })
}

/** A byte string of exactly this length, as a copy. */
export function readFixed(reader: CborReader, length: number): Uint8Array {
  const bytes = reader.bytes()
  if (bytes.length !== length) throw malformed('bytes: length')
  return new Uint8Array(bytes)
}

function readVersions(reader: CborReader): readonly number[] {
  const count = reader.array()
  if (count === 0 || count > MAX_VERSIONS) throw malformed('hello: versions')
  const versions: number[] = []
  let previous = 0
  for (let index = 0; index < count; index += 1) {
    const version = reader.uint()
    if (version <= previous) throw malformed('hello: versions')
    versions.push(version)
    previous = version
  }
  return versions
}

function readRole(reader: CborReader): Role {
  const number = reader.uint()
  if (number === ROLE_NUMBERS.dialler) return 'dialler'
  if (number === ROLE_NUMBERS.listener) return 'listener'
  throw malformed('hello: role')
}

function readPrincipal(reader: CborReader): Principal {
  const principal = parsePrincipal(reader.text())
  if (!principal) throw malformed('hello: principal')
  return principal
}

function readProfile(reader: CborReader): Profile {
  const profile = profileOfLevel(reader.uint())
  if (!profile) throw malformed('hello: profile')
  return profile
}

function readFrameSizes(reader: CborReader): Pick<Hello, 'maxControlBytes' | 'maxDataBytes'> {
  if (reader.array() !== 2) throw malformed('hello: limits')
  const maxControlBytes = reader.uint()
  const maxDataBytes = reader.uint()
  // A tiny limit would make us cut everything into frames that are mostly header.
  const fits =
    maxControlBytes >= MIN_FRAME_BYTES &&
    maxControlBytes <= MAX_CONTROL_BYTES &&
    maxDataBytes >= MIN_FRAME_BYTES &&
    maxDataBytes <= MAX_DATA_BYTES
  if (!fits) throw malformed('hello: limits')
  return { maxControlBytes, maxDataBytes }
}

function writeNumbered(writer: CborWriter, value: NumberedAt | undefined): void {
  if (!value) {
    writer.null()
    return
  }
  writer.array(2)
  writer.uint(value.era)
  writer.uint(value.number)
}

function readNumbered(reader: CborReader): NumberedAt | undefined {
  if (reader.skipNull()) return undefined
  if (reader.array() !== 2) throw malformed('hello: numbered object')
  return { era: reader.uint(), number: reader.uint() }
}
