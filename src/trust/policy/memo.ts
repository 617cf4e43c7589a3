import { BoundedCache } from './bounded-cache.ts'
import { obligationBits } from './compile.ts'
import type { Decision, PolicyRequest } from './decision.ts'
import type { Ruling } from './decide.ts'
import { isFrozenSubject, type SubjectFacts } from './subject.ts'

/** Callers that are remembered, in each of two generations. */
const MAX_CALLERS = 2048
const MAX_ACTIONS_PER_CALLER = 64

interface Remembered {
  readonly domain: string
  readonly effects: string
  readonly permission: string
  readonly obligations: number
  readonly ruling: Ruling
}

/** What was decided between one caller and the target it asked last: mostly this daemon itself. */
interface Pair {
  readonly to: SubjectFacts
  readonly actions: BoundedCache<string, Remembered>
}

/**
 * Rulings of one set of manifests, by the identity of both facts objects and the action: a new set
 * of manifests gets a new memo, and changed facts are new objects. Bounded maps instead of weak ones,
 * which would burden every garbage collection.
 */
export class RulingMemo {
  readonly #pairs = new BoundedCache<SubjectFacts, Pair>(MAX_CALLERS)

  /** The ruling of an earlier equal request, while it holds. */
  get(request: PolicyRequest, nowMs: number): Ruling | undefined {
    const pair = this.#pairs.get(request.from)
    if (pair?.to !== request.to) return undefined
    const known = pair.actions.get(request.action)
    if (known === undefined || nowMs > known.ruling.validUntilMs) return undefined
    // An action has one catalog entry; if it ever differs, the question is another one.
    const { effects, permission } = request.catalogEntry
    const same =
      known.domain === request.domain &&
      known.effects === effects &&
      known.permission === permission &&
      known.obligations === obligationBits(request.fulfilled)
    return same ? known.ruling : undefined
  }

  /** Remembers a ruling, if the facts of both sides cannot change. */
  set(request: PolicyRequest, ruling: Ruling): void {
    const { from, to, action, catalogEntry, fulfilled } = request
    let pair = this.#pairs.get(from)
    if (pair?.to !== to) {
      if (!isFrozenSubject(from) || !isFrozenSubject(to)) return
      pair = { to, actions: new BoundedCache(MAX_ACTIONS_PER_CALLER) }
      this.#pairs.set(from, pair)
    }
    pair.actions.set(action, {
      domain: request.domain,
      effects: catalogEntry.effects,
      permission: catalogEntry.permission,
      obligations: obligationBits(fulfilled),
      ruling: { decision: copyOf(ruling.decision), validUntilMs: ruling.validUntilMs },
    })
  }
}

/**
 * A copy, made here: V8 learns per place in the code whether objects live long, and those of
 * decisions that nobody remembers must not be taken for long-lived ones (twice the cost, measured).
 */
function copyOf(decision: Decision): Decision {
  if (decision.allow !== true) return Object.freeze({ ...decision })
  const rules = Object.freeze([...decision.rules])
  return Object.freeze({ ...decision, rules, limits: Object.freeze([...decision.limits]) })
}

/** Whether an action can come again: commands stand in a catalog, channels and files have no end. */
export function isMemorable({ domain }: PolicyRequest): boolean {
  return domain === 'rpc' || domain === 'fabric'
}
