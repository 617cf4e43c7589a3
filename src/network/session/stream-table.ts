/** What stands in a {@link StreamTable}. */
interface OnStream {
  readonly stream: number
}

const FIRST_SLOTS = 16
/** One slot that is never filled: looking a stream up needs no case for an empty table. */
const NO_SLOTS: undefined[] = [undefined]

/**
 * Streams of one side by their number: open addressing with linear probing. Calls come and go by the
 * hundred thousand per second, and a `Map` reallocates itself whenever a burst of them has ended.
 */
export class StreamTable<T extends OnStream> {
  /** An idle session has no streams for most of its life, and so no table. */
  #slots: (T | undefined)[] = NO_SLOTS
  #size = 0

  /** Number of streams. */
  get size(): number {
    return this.#size
  }

  /** The stream of a number. */
  get(stream: number): T | undefined {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let at = (stream >>> 1) & mask; ; at = (at + 1) & mask) {
      const found = slots[at]
      if (found === undefined || found.stream === stream) return found
    }
  }

  /** Adds a stream whose number is not there yet. */
  add(entry: T): void {
    if ((this.#size + 1) * 2 > this.#slots.length) this.#grow()
    place(this.#slots, entry)
    this.#size += 1
  }

  /** Removes a stream; harmless when it is not there. */
  delete(stream: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = (stream >>> 1) & mask
    while (slots[hole] !== undefined && slots[hole]?.stream !== stream) hole = (hole + 1) & mask
    if (slots[hole] === undefined) return
    this.#size -= 1
    // Entries behind move up as far as their own place allows, so that probing never meets a gap.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const entry = slots[at]
      if (entry === undefined) break
      const home = (entry.stream >>> 1) & mask
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        slots[hole] = entry
        hole = at
      }
    }
    slots[hole] = undefined
  }

  /** Gives back the slots while there is no stream. */
  trim(): void {
    if (this.#size === 0) this.#slots = NO_SLOTS
  }

  /** Forgets all. */
  clear(): void {
    this.#slots = NO_SLOTS
    this.#size = 0
  }

  /** The streams at this moment; the table may change while they are looked at. */
  list(): readonly T[] {
    return this.#slots.filter((entry) => entry !== undefined)
  }

  #grow(): void {
    const grown = emptySlots<T>(Math.max(FIRST_SLOTS, this.#slots.length * 2))
    for (const entry of this.#slots) if (entry) place(grown, entry)
    this.#slots = grown
  }
}

function emptySlots<T>(count: number): (T | undefined)[] {
  const slots: (T | undefined)[] = []
  for (let index = 0; index < count; index += 1) slots.push(undefined)
  return slots
}

function place<T extends OnStream>(slots: (T | undefined)[], entry: T): void {
  const mask = slots.length - 1
  let at = (entry.stream >>> 1) & mask
  while (slots[at] !== undefined) at = (at + 1) & mask
  slots[at] = entry
}
