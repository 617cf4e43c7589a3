interface Live {
  halfOpen: number
  connections: number
}

const NONE: Readonly<Live> = Object.freeze({ halfOpen: 0, connections: 0 })

/**
 * What is open now, in all and per prefix. Bounded by the number of open connections: an entry ends
 * with its last one.
 */
export class LiveCounts {
  readonly #prefixes = new Map<string, Live>()
  halfOpen = 0
  connections = 0

  of(prefix: string): Readonly<Live> {
    return this.#prefixes.get(prefix) ?? NONE
  }

  /** A connection was admitted. */
  enter(prefixes: readonly string[]): void {
    this.halfOpen++
    this.connections++
    for (const prefix of prefixes) {
      const live = this.#prefixes.get(prefix)
      if (live) {
        live.halfOpen++
        live.connections++
      } else this.#prefixes.set(prefix, { halfOpen: 1, connections: 1 })
    }
  }

  /** A connection is half-open no more, because it was authenticated or is about to leave. */
  endHalfOpen(prefixes: readonly string[]): void {
    this.halfOpen--
    for (const prefix of prefixes) {
      const live = this.#prefixes.get(prefix)
      if (live) live.halfOpen--
    }
  }

  /** A connection that is not half-open is gone. */
  leave(prefixes: readonly string[]): void {
    this.connections--
    for (const prefix of prefixes) {
      const live = this.#prefixes.get(prefix)
      if (live && --live.connections === 0) this.#prefixes.delete(prefix)
    }
  }
}
