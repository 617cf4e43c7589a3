import fc, { type IAsyncProperty, type IProperty } from 'fast-check'

/** Longest time one property may take. */
const TIME_BOX_MS = 2500
/** Runs of one property when time allows. */
const RUNS = 1000

/** Checks a property within a time box; a failure prints its seed and path. */
export function fuzz<T>(property: IProperty<T>): void {
  fc.assert(property, {
    numRuns: RUNS,
    plugins: [fc.interruptAfterTimeLimit(TIME_BOX_MS)],
  })
}

/** As {@link fuzz}, for a property that awaits. */
export async function fuzzAsync<T>(property: IAsyncProperty<T>): Promise<void> {
  await fc.assert(property, {
    numRuns: RUNS,
    plugins: [fc.interruptAfterTimeLimit(TIME_BOX_MS)],
  })
}
