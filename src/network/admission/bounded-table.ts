/**
 * A map of bounded size that forgets the entry unseen for longest. Forgetting is permissive: a source
 * that falls out starts afresh, so the table cannot be used to lock others out.
 */
export class BoundedTable<V> {
  readonly #entries = new Map<string, V>()
  readonly #maxEntries: number

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  get size(): number {
    return this.#entries.size
  }

  /** Reads an entry without counting it as seen. */
  get(key: string): V | undefined {
    return this.#entries.get(key)
  }

  /** Writes an entry as the one seen last. */
  set(key: string, value: V): void {
    this.#entries.delete(key)
    if (this.#entries.size >= this.#maxEntries) {
      const oldest = this.#entries.keys().next()
      if (!oldest.done) this.#entries.delete(oldest.value)
    }
    this.#entries.set(key, value)
  }
}
