import type { Refusal } from '../../foundation/base/index.ts'
import { AUDIT_EVENT_LIMITS, type AuditEvent } from '../../trust/audit/index.ts'

/** Different refusals that are told apart between two flushes; what is beyond is counted together. */
const MAX_KEYS = 1024

/** A request that was refused. */
export interface RefusedRequest {
  /** Principal URI, `-` when nobody was authenticated. */
  readonly actor: string
  /** IP address. */
  readonly source: string
  /** What was asked for, for example `POST /v1/join`. */
  readonly action: string
  readonly refusal: Refusal
}

/** Records refused requests in bounded number: strangers must not be able to fill the log. */
export interface RefusalLog {
  /** Records the first refusal of a kind at once, and counts the following ones. */
  note(request: RefusedRequest): void
  /** Records the counts; call it once per minute and at the end. */
  flush(): void
}

interface Counted extends RefusedRequest {
  further: number
}

/**
 * Makes a refusal log.
 *
 * @param record - takes an event that may wait
 * @param target - URI of the authority
 * @see protocol: Recording
 */
export function createRefusalLog(record: (event: AuditEvent) => void, target: string): RefusalLog {
  const counts = new Map<string, Counted>()
  const write = ({ actor, action, refusal, source }: RefusedRequest, count: number): void => {
    const { code, rule } = refusal
    record({
      type: 'refusal',
      actor,
      target,
      action,
      outcome: 'refused',
      code,
      rule: rule.slice(0, AUDIT_EVENT_LIMITS.rule),
      detail: { source, count },
    })
  }
  const note = (request: RefusedRequest): void => {
    const { actor, source, action, refusal } = request
    const key = JSON.stringify([actor, source, action, refusal.code, refusal.rule])
    const known = counts.get(key)
    if (known) {
      known.further += 1
    } else if (counts.size < MAX_KEYS || source === '*') {
      counts.set(key, { ...request, further: 0 })
      write(request, 1)
    } else {
      note({ actor: '-', source: '*', action, refusal })
    }
  }
  return {
    note,
    flush: (): void => {
      const ended = [...counts.values()]
      counts.clear()
      for (const counted of ended) {
        if (counted.further > 0) write(counted, counted.further)
      }
    },
  }
}
