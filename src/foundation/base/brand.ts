declare const brand: unique symbol

/** A nominal type: minted only by the parser of the owning room. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** Wall-clock time: milliseconds since 1970-01-01T00:00:00Z. For certificates and signed times. */
export type UnixMs = Brand<number, 'UnixMs'>

/** Monotonic time in milliseconds since an arbitrary start. For time-outs and ages only. */
export type MonotonicMs = Brand<number, 'MonotonicMs'>

/** Marks a number as wall-clock milliseconds. */
export const unixMs = (value: number): UnixMs => value as UnixMs

/** Marks a number as monotonic milliseconds. */
export const monotonicMs = (value: number): MonotonicMs => value as MonotonicMs
