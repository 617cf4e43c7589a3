/** What a table holds: anything with a call id, and with room for the next of the same bucket. */
export interface Listed<T> {
  /** 16 bytes as lower-case hexadecimal. */
  readonly callId: string
  next: T | undefined
}

/** Digits of a call id that name its bucket: 28 bits, a small integer. */
const KEY_DIGITS = 7
const [DIGIT_0, DIGIT_A] = [0x30, 0x61]

/**
 * Calls by their id. A `Map` of strings interns every id it is asked for, and an interned string lives
 * in the old heap: by numbers, nothing of a call outlives it.
 *
 * **Security:** a caller can choose ids of one bucket. The bounds on kept calls of one peer bound the
 * bucket too, and only the calls of that peer are in it.
 */
export class CallTable<T extends Listed<T>> {
  readonly #buckets = new Map<number, T>()

  /** The call of an id. */
  get(callId: string): T | undefined {
    return this.#in(this.#buckets.get(keyOf(callId)), callId)
  }

  /** Adds a call whose id is not in the table. */
  add(call: T): void {
    const key = keyOf(call.callId)
    call.next = this.#buckets.get(key)
    this.#buckets.set(key, call)
  }

  /** Removes a call. @returns it, if it was there */
  remove(callId: string): T | undefined {
    const key = keyOf(callId)
    const first = this.#buckets.get(key)
    const found = this.#in(first, callId)
    if (!first || !found) return undefined
    if (first !== found) {
      let before = first
      while (before.next && before.next !== found) before = before.next
      before.next = found.next
    } else if (found.next) this.#buckets.set(key, found.next)
    else this.#buckets.delete(key)
    found.next = undefined
    return found
  }

  /** Empties the table. @returns what was in it */
  take(): readonly T[] {
    const all: T[] = []
    for (const first of this.#buckets.values()) {
      let call: T | undefined = first
      while (call) {
        const { next }: Listed<T> = call
        call.next = undefined
        all.push(call)
        call = next
      }
    }
    this.#buckets.clear()
    return all
  }

  #in(first: T | undefined, callId: string): T | undefined {
    let call = first
    while (call && call.callId !== callId) call = call.next
    return call
  }
}

/** The last digits as a number: where ids begin with the time, only their end differs. */
function keyOf(callId: string): number {
  let key = 0
  for (let at = callId.length - KEY_DIGITS; at < callId.length; at += 1) {
    const code = callId.charCodeAt(at)
    key = (key << 4) | (code < DIGIT_A ? code - DIGIT_0 : code - DIGIT_A + 10)
  }
  return key
}
