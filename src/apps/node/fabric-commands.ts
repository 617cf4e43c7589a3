import { isRefusal, type Refusal, refuse, z } from '../../foundation/base/index.ts'
import { MAX_CWT_BYTES } from '../../foundation/codec/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { PROFILE_NAMES, profileOf } from '../../foundation/profiles/index.ts'
import { type Command, defineCommand } from '../../commands/catalog/index.ts'
import { type ForwardBatch, forwardBatchSchema } from '../../trust/audit/index.ts'
import {
  isPskHandle,
  type ListenerAddresses,
  MAX_STANDBY_PROOF_BYTES,
  PSK_ROOT_BYTES,
} from '../../trust/pki/index.ts'
import { parseHostPort } from './addresses.ts'
import { OBJECT_KINDS, type ObjectKind } from './object-files.ts'
import type { StandbyOffer, VouchQuestion, Vouched } from './standby-signer.ts'

/** Bounds of what one forwarded batch carries, so that it fits into one call. */
export const FORWARD_BOUNDS: { readonly maxEntries: number; readonly maxBytes: number } =
  Object.freeze({ maxEntries: 48, maxBytes: 8 * 1024 })

/** The profiles that have a listener. */
const LISTENING = PROFILE_NAMES.filter((name) => profileOf(name).transport !== undefined)

/** Name of every command that holds the fabric together. */
export const FABRIC = {
  object: 'fabric.node.object',
  fresh: 'fabric.node.fresh',
  report: 'fabric.node.report',
  audit: 'fabric.node.audit',
  token: 'fabric.node.token',
  standby: 'fabric.node.standby',
  notice: 'fabric.push.notice',
  locks: 'fabric.peer.locks',
  vouch: 'fabric.peer.vouch',
  psk: 'fabric.push.psk',
  renew: 'fabric.push.renew',
} as const

/** Where a member says that it is reached. */
export interface ReportedReach {
  /** `host:port` of the listener of its own floor. */
  readonly addresses: readonly string[]
  /** Of its other listeners, by profile. */
  readonly listeners: ListenerAddresses
}

/** What the authority answers to its members. */
export interface AuthorityPort {
  /** The signed object in force. */
  object(kind: ObjectKind): Uint8Array
  /** Says that the lock list in force is the newest, for a member's nonce. */
  fresh(nonce: Uint8Array): Uint8Array
  /** Takes the addresses under which a member is reached. */
  report(uri: string, reach: ReportedReach): Promise<void>
  /** Takes entries of a member's audit log; says which index it expects next. */
  audit(uri: string, batch: ForwardBatch): Promise<{ readonly nextIndex: number } | Refusal>
  /** A token that a member presents to one other node, good for ten minutes. */
  token(peer: PeerFacts, audience: string): Uint8Array | Refusal
  /** Takes the key of a member that could be a standby signer; an operator decides. */
  standby(peer: PeerFacts, offer: StandbyOffer): Refusal | undefined
}

/** What a member does with a notice of the authority. */
export interface MemberPort {
  /**
   * The authority has newer objects of these kinds.
   *
   * @param locks - the signed lock list itself, when it fits into a notice
   */
  notice(kinds: readonly ObjectKind[], locks: Uint8Array | undefined): void
  /** The signed lock list, for a peer that holds this older one; `undefined`: it misses nothing. */
  locksAfter(held: { readonly era: number; readonly number: number }): Uint8Array | undefined
  /**
   * Vouches for the lock list in place of the authority; absent: this member is no standby signer.
   *
   * @param locks - a newer list than this member held when it was asked before
   */
  readonly vouch?: (question: VouchQuestion, locks: Uint8Array | undefined) => Vouched | Refusal
  /**
   * Keeps the next pre-shared key, durable on return, and uses it from the next connection on; absent:
   * this member has a certificate.
   *
   * @param next - handle, generation, and 32 secret bytes which are wiped afterwards
   */
  readonly psk?: (next: PskHandedOut) => Refusal | undefined
  /**
   * An operator wants another certificate for another key, unless there is one already.
   *
   * @param generation - of the certificate that is to be replaced
   */
  renew(generation: number): void
}

/** A pre-shared key as the authority hands it out. */
export interface PskHandedOut {
  readonly handle: string
  readonly generation: number
  readonly root: Uint8Array
}

const bytes = (max: number): z.ZodType<Uint8Array> =>
  z.instanceof(Uint8Array).refine((value) => value.length <= max)

const address = z
  .string()
  .max(262)
  .refine((text) => parseHostPort(text) !== undefined)

const SMALL = { maxArgumentBytes: 4096, maxResultBytes: 4096, timeoutMs: 10_000, concurrency: 4096 }
const MAX_OBJECT_BYTES = 16 * 1024 * 1024
/** Largest signed lock list that a notice carries: it fits into one frame. A longer one is fetched. */
export const MAX_PUSHED_BYTES: number = 12 * 1024

/**
 * The commands an authority offers to its members.
 *
 * @param port - the authority's registry, publisher and audit log
 */
export function authorityFabricCommands(port: AuthorityPort): readonly Command[] {
  return [
    objectCommand(port),
    freshCommand(port),
    reportCommand(port),
    auditCommand(port),
    tokenCommand(port),
    standbyCommand(port),
  ]
}

function objectCommand(port: AuthorityPort): Command {
  return defineCommand({
    name: FABRIC.object,
    domain: 'fabric',
    summary: 'Gives a signed object of the fabric',
    description: 'Returns the trust bundle, directory, lock list or fleet manifest in force.',
    argumentSchema: z.strictObject({ kind: z.enum(OBJECT_KINDS) }),
    resultSchema: z.strictObject({ signed: bytes(MAX_OBJECT_BYTES) }),
    positional: ['kind'],
    permission: FABRIC.object,
    effects: 'read',
    limits: { ...SMALL, maxResultBytes: MAX_OBJECT_BYTES },
    examples: [{ purpose: 'Fetch the lock list.', arguments: { kind: 'locks' } }],
    run: (_context, { kind }) => ({ signed: port.object(kind) }),
  })
}

function freshCommand(port: AuthorityPort): Command {
  return defineCommand({
    name: FABRIC.fresh,
    domain: 'fabric',
    summary: 'Says that the lock list is the newest',
    description:
      'Signs the number and hash of the lock list in force with the nonce of the caller.',
    argumentSchema: z.strictObject({ nonce: bytes(64) }),
    resultSchema: z.strictObject({ answer: bytes(1024) }),
    positional: [],
    permission: FABRIC.fresh,
    effects: 'read',
    limits: SMALL,
    examples: [{ purpose: 'Ask with a nonce.', arguments: { nonce: new Uint8Array(32) } }],
    run: (_context, { nonce }) => ({ answer: port.fresh(nonce) }),
  })
}

const addresses = z.array(address).max(8)
const reportSchema = z.strictObject({
  addresses,
  listeners: z.partialRecord(z.enum(LISTENING), addresses.min(1)).optional(),
})

function reportCommand(port: AuthorityPort): Command {
  return defineCommand({
    name: FABRIC.report,
    domain: 'fabric',
    summary: 'Takes the addresses of a member',
    description: 'Keeps the addresses under which the caller is reached, for the directory.',
    argumentSchema: reportSchema,
    resultSchema: z.strictObject({}),
    positional: [],
    permission: FABRIC.report,
    effects: 'change',
    limits: SMALL,
    examples: [
      { purpose: 'Report one address.', arguments: { addresses: ['192.0.2.7:7402'] }, result: {} },
    ],
    run: async (context, { addresses, listeners = {} }) => {
      await port.report(context.peer.principal.uri, { addresses, listeners })
      return {}
    },
  })
}

function auditCommand(port: AuthorityPort): Command {
  return defineCommand<ForwardBatch, { nextIndex: number }>({
    name: FABRIC.audit,
    domain: 'fabric',
    summary: 'Takes entries of a member’s audit log',
    description: 'Adds forwarded entries, each once, and answers with the index expected next.',
    argumentSchema: forwardBatchSchema,
    resultSchema: z.strictObject({ nextIndex: z.int().min(0) }),
    positional: [],
    permission: FABRIC.audit,
    // The entries are durable before the answer; a record of each batch would double the log.
    effects: 'read',
    limits: { ...SMALL, maxArgumentBytes: 16_384 },
    examples: [
      {
        purpose: 'Forward nothing, to learn which index is expected.',
        arguments: { first: 0, entries: [], checkpoint: '' },
      },
    ],
    run: async (context, batch) => port.audit(context.peer.principal.uri, batch),
  })
}

function tokenCommand(port: AuthorityPort): Command {
  return defineCommand({
    name: FABRIC.token,
    domain: 'fabric',
    summary: 'Issues a token for another node',
    description:
      'Signs that the caller is an active member with its identity key, for one other node.',
    argumentSchema: z.strictObject({ audience: z.string().max(512) }),
    resultSchema: z.strictObject({ token: bytes(MAX_CWT_BYTES) }),
    positional: ['audience'],
    permission: FABRIC.token,
    effects: 'read',
    limits: SMALL,
    examples: [
      {
        purpose: 'Ask for a token for a camera.',
        arguments: {
          audience: 'spiffe://kos.internal/device/kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa',
        },
      },
    ],
    run: (context, { audience }) => {
      const token = port.token(context.peer, audience)
      return isRefusal(token) ? token : { token }
    },
  })
}

function standbyCommand(port: AuthorityPort): Command {
  return defineCommand({
    name: FABRIC.standby,
    domain: 'fabric',
    summary: 'Offers a standby signer',
    description: 'Names the key with which the caller would vouch, and proves that it has it.',
    argumentSchema: z.strictObject({ spki: bytes(512), proof: bytes(MAX_STANDBY_PROOF_BYTES) }),
    resultSchema: z.strictObject({}),
    positional: [],
    permission: FABRIC.standby,
    effects: 'read',
    limits: SMALL,
    examples: [
      {
        purpose: 'Offer a key.',
        arguments: { spki: new Uint8Array(91), proof: new Uint8Array(200) },
        result: {},
      },
    ],
    run: (context, offer) => port.standby(context.peer, offer) ?? {},
  })
}

/** The commands a member offers to its authority, and to its peers. */
export function memberFabricCommands(port: MemberPort): readonly Command[] {
  return [
    noticeCommand(port),
    locksCommand(port),
    renewCommand(port),
    ...(port.psk ? [pskCommand(port.psk)] : []),
    ...(port.vouch ? [vouchCommand(port.vouch)] : []),
  ]
}

function vouchCommand(vouch: NonNullable<MemberPort['vouch']>): Command {
  const place = z.int().min(0)
  return defineCommand({
    name: FABRIC.vouch,
    domain: 'fabric',
    summary: 'Says that it knows no newer lock list',
    description:
      'Signs number and hash of the newest lock list held with the nonce of the caller, in place ' +
      'of an authority that is away, and hands the list on when the caller has an older one.',
    argumentSchema: z.strictObject({
      era: place,
      number: place,
      nonce: bytes(64),
      locks: bytes(MAX_PUSHED_BYTES).optional(),
    }),
    resultSchema: z.strictObject({
      signed: bytes(MAX_OBJECT_BYTES).optional(),
      answer: bytes(1024).optional(),
    }),
    positional: [],
    permission: FABRIC.vouch,
    effects: 'read',
    limits: { ...SMALL, maxArgumentBytes: 16_384, maxResultBytes: MAX_OBJECT_BYTES },
    examples: [
      {
        purpose: 'Ask with what is held.',
        arguments: { era: 1, number: 7, nonce: new Uint8Array(32) },
      },
    ],
    run: (_context, { era, number, nonce, locks }) =>
      vouch({ held: { era, number }, nonce }, locks),
  })
}

function locksCommand(port: MemberPort): Command {
  const place = z.int().min(0)
  return defineCommand({
    name: FABRIC.locks,
    domain: 'fabric',
    summary: 'Hands a newer lock list on',
    description:
      'Returns the signed lock list when it is newer than the one that the caller holds.',
    argumentSchema: z.strictObject({ era: place, number: place }),
    resultSchema: z.strictObject({ signed: bytes(MAX_OBJECT_BYTES).optional() }),
    positional: [],
    permission: FABRIC.locks,
    effects: 'read',
    limits: { ...SMALL, maxResultBytes: MAX_OBJECT_BYTES },
    examples: [{ purpose: 'Ask with what is held.', arguments: { era: 1, number: 7 } }],
    run: (_context, held) => {
      const signed = port.locksAfter(held)
      return signed ? { signed } : {}
    },
  })
}

function noticeCommand(port: MemberPort): Command {
  return defineCommand({
    name: FABRIC.notice,
    domain: 'fabric',
    summary: 'Says that signed objects changed',
    description:
      'Brings a short lock list along, and makes the member fetch the other named objects.',
    argumentSchema: z.strictObject({
      kinds: z.array(z.enum(OBJECT_KINDS)).max(8),
      locks: bytes(MAX_PUSHED_BYTES).optional(),
    }),
    resultSchema: z.strictObject({}),
    positional: [],
    permission: FABRIC.notice,
    effects: 'read',
    limits: { ...SMALL, maxArgumentBytes: 16_384 },
    examples: [{ purpose: 'The lock list changed.', arguments: { kinds: ['locks'] }, result: {} }],
    run: (context, { kinds, locks }) => {
      if (context.peer.principal.kind !== 'authority') return refuse('KOS_NODE_REFUSED', 'notice')
      port.notice(kinds, locks)
      return {}
    },
  })
}

function renewCommand(port: MemberPort): Command {
  return defineCommand({
    name: FABRIC.renew,
    domain: 'fabric',
    summary: 'Asks for a new TLS key and certificate',
    description:
      'Makes the member renew soon, when its certificate is of this generation or older.',
    argumentSchema: z.strictObject({ generation: z.int().min(1) }),
    resultSchema: z.strictObject({}),
    positional: ['generation'],
    permission: FABRIC.renew,
    effects: 'change',
    limits: SMALL,
    examples: [
      { purpose: 'Replace the first certificate.', arguments: { generation: 1 }, result: {} },
    ],
    run: (context, { generation }) => {
      if (context.peer.principal.kind !== 'authority') return refuse('KOS_NODE_REFUSED', 'renew')
      port.renew(generation)
      return {}
    },
  })
}

function pskCommand(take: NonNullable<MemberPort['psk']>): Command {
  return defineCommand({
    name: FABRIC.psk,
    domain: 'fabric',
    summary: 'Takes the next pre-shared key',
    description: 'Keeps the key of the next generation; it is used from the next connection on.',
    argumentSchema: z.strictObject({
      handle: z.string().refine(isPskHandle),
      generation: z.int().min(2),
      root: bytes(PSK_ROOT_BYTES).refine(({ length }) => length === PSK_ROOT_BYTES),
    }),
    resultSchema: z.strictObject({}),
    positional: [],
    permission: FABRIC.psk,
    effects: 'change',
    limits: SMALL,
    examples: [
      {
        purpose: 'The second key of a device.',
        arguments: {
          handle: '00112233445566778899aabb',
          generation: 2,
          root: new Uint8Array(PSK_ROOT_BYTES),
        },
        result: {},
      },
    ],
    run: (context, next) => {
      if (context.peer.principal.kind !== 'authority') return refuse('KOS_NODE_REFUSED', 'psk')
      return take(next) ?? {}
    },
  })
}
