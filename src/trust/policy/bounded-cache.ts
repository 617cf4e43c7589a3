/**
 * A bounded map that forgets what was not used lately: two generations, so neither order lists nor
 * time stamps are kept. Holds at most twice `maxEntries`.
 */
export class BoundedCache<Key, Value extends object> {
  readonly #maxEntries: number
  #young = new Map<Key, Value>()
  #old: Map<Key, Value> | undefined

  /** @param maxEntries - size of one generation */
  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  /** The value of a key, or `undefined`. */
  get(key: Key): Value | undefined {
    const value = this.#young.get(key)
    if (value !== undefined) return value
    const old = this.#old?.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  /** Remembers a value; the least lately used half may be forgotten. */
  set(key: Key, value: Value): void {
    if (this.#young.size >= this.#maxEntries) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }
}
