/** Two ends that lose their connection and get another one, in memory: real identity keys, real seals. */
import { type Refusal, refuse } from '../../src/foundation/base/index.ts'
import type { Role } from '../../src/network/session/key-schedule.ts'
import { createResumption, type Resumption } from '../../src/network/session/index.ts'
import { decodeResult } from '../../src/network/session/call-codec.ts'
import { FRAME } from '../../src/network/session/frames.ts'
import type { IncomingCall } from '../../src/network/session/incoming-call.ts'
import {
  type CallName,
  encodeResume,
  type ResumePoint,
} from '../../src/network/session/resume-codec.ts'
import { createTestClock, type TestClock } from './clock.ts'
import {
  type Adversary,
  adversary,
  type PairOptions,
  type SessionPair,
  sessionPair,
} from './session-pair.ts'

/** Two ends with their memory of lost connections. */
export interface ResumePair {
  readonly clock: TestClock
  readonly stores: Readonly<Record<Role, Resumption>>
  /** The newest connection. */
  pair: SessionPair
  /** Cuts the newest connection; what was written and not carried is gone. */
  cut(which?: 'both' | Role): void
  /** Makes another connection; nothing is carried on it yet. */
  connect(options?: PairOptions): SessionPair
}

const LOST: Refusal = refuse('KOS_SESSION_CLOSED', 'channel: remote, reset')

/** Makes two ends that are connected. */
export function resumePair(options: PairOptions = {}): ResumePair {
  const clock = createTestClock()
  const stores = { dialler: createResumption({ clock }), listener: createResumption({ clock }) }
  let connections = 0
  const connect = (more: PairOptions = {}): SessionPair => {
    connections += 1
    const seed = `connection ${connections}`
    return sessionPair({ clock, resumption: stores, seed, ...options, ...more })
  }
  const both: ResumePair = {
    clock,
    stores,
    pair: connect(),
    cut(which = 'both') {
      for (const role of ['dialler', 'listener'] as const) {
        const { machine } = both.pair[role]
        if (which !== 'both' && which !== role) continue
        machine.lost(LOST)
        machine.dispose()
      }
    },
    connect(more) {
      const previous = both.pair
      both.pair = connect(more)
      for (const role of ['dialler', 'listener'] as const) {
        both.pair[role].onCall = previous[role].onCall
      }
      return both.pair
    },
  }
  return both
}

/** The name of a call, as RESUME says it. */
export function nameOf(call: IncomingCall): CallName {
  return { sessionId: call.firstSession, stream: call.firstStream }
}

/** A connection of one who plays the dialler and names what it likes. */
export interface ResumeAdversary extends Adversary {
  /** Sends these RESUMEs, each on a stream, under one seal. */
  resume(...points: readonly (readonly [stream: number, point: ResumePoint])[]): void
  /** What the victim answered: frame type, stream, code and rule. */
  shown(): readonly string[]
}

/** Makes such a connection to the listener of a pair. */
export function resumeAdversary(ends: ResumePair, options: PairOptions = {}): ResumeAdversary {
  const { clock, stores } = ends
  const enemy = adversary('listener', { clock, resumption: stores, seed: 'adversary', ...options })
  return {
    ...enemy,
    resume(...points) {
      for (const [stream, point] of points) enemy.frame(FRAME.RESUME, stream, encodeResume(point))
      enemy.send()
    },
    shown: () =>
      enemy
        .answers()
        .filter(({ type }) => type !== FRAME.SEAL)
        .map(({ type, stream, payload }) => {
          if (type !== FRAME.RESULT) return `${type} ${stream}`
          const result = decodeResult(payload)
          const said = result.status === 'ok' ? result.value : `${result.code} ${result.rule}`
          return `${stream} ${result.status} ${String(said)}`
        }),
  }
}
