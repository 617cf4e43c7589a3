/** Two ends that lose their connection and get another one, in memory: real identity keys, real seals. */
import { type Refusal, refuse } from '../../src/foundation/base/index.ts'
import type { Role } from '../../src/network/session/key-schedule.ts'
import { createResumption, type Resumption } from '../../src/network/session/index.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { type PairOptions, type SessionPair, sessionPair } from './session-pair.ts'

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
