/**
 * What stands against the log of a forwarding node.
 *
 * - `gap`: entries `first` to `last` were left out; the node forwarded later ones
 * - `fork`: the node contradicted what it had forwarded or signed before, from entry `first` on
 * - `unfit`: what the node sent from entry `first` on cannot be taken in
 */
export interface SourceAlarm {
  readonly kind: 'gap' | 'fork' | 'unfit'
  /** Index in the node's log. */
  readonly first: number
  /** Last index of a gap. */
  readonly last?: number
}

const ALARM = /^(gap|fork|unfit) (0|[1-9][0-9]{0,15})(?:-(0|[1-9][0-9]{0,15}))?$/

/** Reads alarms as they are stored; what is no alarm is left out. */
export function parseAlarms(stored: string | undefined): readonly SourceAlarm[] {
  return (stored ?? '').split('; ').flatMap((text) => {
    const [, kind, first, last] = ALARM.exec(text) ?? []
    if (kind !== 'gap' && kind !== 'fork' && kind !== 'unfit') return []
    return [{ kind, first: Number(first), ...(last !== undefined && { last: Number(last) }) }]
  })
}

/** Alarms as they are stored; `undefined`: none stands. */
export function formatAlarms(alarms: readonly SourceAlarm[]): string | undefined {
  const texts = alarms.map(
    ({ kind, first, last }) => `${kind} ${first}${last === undefined ? '' : `-${last}`}`,
  )
  return texts.length === 0 ? undefined : texts.join('; ')
}

/**
 * Whether an alarm was recorded already. A fork is recorded once: nothing that the node sends
 * afterwards makes its log whole again, and it must not fill this one with alarms.
 */
export function isKnown(alarms: readonly SourceAlarm[], next: SourceAlarm): boolean {
  return alarms.some(
    ({ kind, first }) => kind === next.kind && (kind === 'fork' || first === next.first),
  )
}

/** What stands after another alarm: at most one of each kind, the newest. */
export function withAlarm(
  alarms: readonly SourceAlarm[],
  next: SourceAlarm,
): readonly SourceAlarm[] {
  return [...alarms.filter(({ kind }) => kind !== next.kind), next]
}

/**
 * What still stands after a batch was taken in. A gap is closed by the very entries that were missing,
 * and a fork by nothing.
 *
 * @param alarms - what stood before
 * @param reached - the index expected next, and whether the node signed exactly what was taken in
 */
export function afterProgress(
  alarms: readonly SourceAlarm[],
  reached: { readonly nextIndex: number; readonly agreed: boolean },
): readonly SourceAlarm[] {
  const { nextIndex, agreed } = reached
  return alarms.filter(
    ({ kind, first, last = first }) => kind === 'fork' || !(agreed || nextIndex > last),
  )
}
