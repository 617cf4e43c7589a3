/** What one place in the argument vector of a program may hold. */
export type ArgumentRule =
  | { readonly kind: 'enum'; readonly values: ReadonlySet<string> }
  | { readonly kind: 'pattern'; readonly pattern: RegExp; readonly maxLength: number }

/** One place, in order. */
export interface ArgumentPlace {
  readonly rule: ArgumentRule
  readonly isOptional: boolean
}

/** Most arguments of one run. */
export const MAX_PROGRAM_ARGUMENTS = 64

/**
 * Whether an argument vector fits the places of a program, each in its order. All readings are
 * followed at once, so an optional place never hides a later one, and time is bounded by
 * places × arguments.
 *
 * **Security:** what a pattern admits never begins with a hyphen: it could be taken for an option.
 * Options are written down as values.
 */
export function fitsPlaces(places: readonly ArgumentPlace[], vector: readonly string[]): boolean {
  let next: ReadonlySet<number> = new Set([0])
  for (const argument of vector) {
    const taken = new Set<number>()
    for (const from of next) {
      for (let at = from; at < places.length; at++) {
        const place = places[at]
        if (place && admits(place.rule, argument)) taken.add(at + 1)
        if (!place?.isOptional) break
      }
    }
    next = taken
  }
  return [...next].some((from) => places.slice(from).every(({ isOptional }) => isOptional))
}

function admits(rule: ArgumentRule, argument: string): boolean {
  switch (rule.kind) {
    case 'enum':
      return rule.values.has(argument)
    case 'pattern':
      return (
        argument.length <= rule.maxLength &&
        !argument.startsWith('-') &&
        rule.pattern.test(argument)
      )
  }
}
