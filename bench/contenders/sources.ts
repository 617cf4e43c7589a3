/** Loopback addresses in turn: each counts as a source of its own, as devices of a fleet would. */
export function createSources(): () => string {
  let next = 0
  return () => {
    next = (next + 1) % (64 * 250)
    return `127.${1 + Math.floor(next / 250)}.0.${1 + (next % 250)}`
  }
}
