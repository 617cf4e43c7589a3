import type {
  ArgumentDecision,
  CallRequest,
  ConnectionFacts,
  Grant,
  Outcome,
  PeerFacts,
} from './facts.ts'
import { pipelineErrors } from './errors.ts'

/** Closes every stage constructor: the symbol never leaves this module. */
const MINT: unique symbol = Symbol('mint')

function requireMint(token: symbol): void {
  if (token !== MINT) throw pipelineErrors.error('KOS_PIPELINE_FORGED')
}

function sealed<T extends object>(stage: T, target: unknown, constructor: unknown): T {
  // An heir of a real stage would pass the private-field check, so it is refused at birth.
  if (target !== constructor) throw pipelineErrors.error('KOS_PIPELINE_FORGED')
  return Object.freeze(stage)
}

/** Stage 1: admission let the connection in. Nothing is known of the peer but its address. */
export class Connected {
  readonly #brand = true
  readonly connection: ConnectionFacts

  constructor(token: typeof MINT, connection: ConnectionFacts) {
    requireMint(token)
    this.connection = connection
    sealed(this, new.target, Connected)
  }

  static is(value: object): value is Connected {
    return #brand in value
  }
}

/** Stage 2: the session proved who the peer is. */
export class Authenticated {
  readonly #brand = true
  readonly connected: Connected
  readonly peer: PeerFacts
  /** Session id, lower-case hexadecimal. */
  readonly sessionId: string

  constructor(token: typeof MINT, from: Connected, facts: { peer: PeerFacts; sessionId: string }) {
    requireMint(token)
    requireStage(Connected, from)
    this.connected = from
    this.peer = facts.peer
    this.sessionId = facts.sessionId
    sealed(this, new.target, Authenticated)
  }

  static is(value: object): value is Authenticated {
    return #brand in value
  }
}

/** Stage 3: policy allows the command; rules on argument values still wait. */
export class Authorised {
  readonly #brand = true
  readonly authenticated: Authenticated
  readonly call: CallRequest
  readonly grant: Grant
  /** Present when a rule looks at argument values: it must be asked by the next stage. */
  readonly decideArguments: ArgumentDecision | undefined

  constructor(
    token: typeof MINT,
    from: Authenticated,
    facts: { call: CallRequest; grant: Grant; decideArguments: ArgumentDecision | undefined },
  ) {
    requireMint(token)
    requireStage(Authenticated, from)
    this.authenticated = from
    this.call = facts.call
    this.grant = facts.grant
    this.decideArguments = facts.decideArguments
    sealed(this, new.target, Authorised)
  }

  static is(value: object): value is Authorised {
    return #brand in value
  }
}

/** Stage 4: the arguments fit the schema, are canonical, and the rules on their values agreed. */
export class Validated {
  readonly #brand = true
  readonly authorised: Authorised
  readonly arguments: unknown
  readonly grant: Grant

  constructor(token: typeof MINT, from: Authorised, facts: { arguments: unknown; grant: Grant }) {
    requireMint(token)
    requireStage(Authorised, from)
    this.authorised = from
    this.arguments = facts.arguments
    this.grant = facts.grant
    sealed(this, new.target, Validated)
  }

  static is(value: object): value is Validated {
    return #brand in value
  }
}

/** Stage 5: the command ran and ended, well or not. */
export class Executed {
  readonly #brand = true
  readonly validated: Validated
  readonly outcome: Outcome

  constructor(token: typeof MINT, from: Validated, outcome: Outcome) {
    requireMint(token)
    requireStage(Validated, from)
    this.validated = from
    this.outcome = outcome
    sealed(this, new.target, Executed)
  }

  static is(value: object): value is Executed {
    return #brand in value
  }
}

/** Stage 6: the result was reduced to what the peer may see. */
export class Filtered {
  readonly #brand = true
  readonly executed: Executed
  readonly outcome: Outcome

  constructor(token: typeof MINT, from: Executed, outcome: Outcome) {
    requireMint(token)
    requireStage(Executed, from)
    this.executed = from
    this.outcome = outcome
    sealed(this, new.target, Filtered)
  }

  static is(value: object): value is Filtered {
    return #brand in value
  }
}

/** Any stage after which a request can end and be recorded. */
export type Recordable = Authenticated | Authorised | Validated | Executed | Filtered

/** Stage 7: the request, however far it came, is in the audit log. */
export class Recorded {
  readonly #brand = true
  readonly last: Recordable

  constructor(token: typeof MINT, last: Recordable) {
    requireMint(token)
    if (!RECORDABLE.some((stage) => stage.is(last))) {
      throw pipelineErrors.error('KOS_PIPELINE_SKIPPED')
    }
    this.last = last
    sealed(this, new.target, Recorded)
  }

  static is(value: object): value is Recorded {
    return #brand in value
  }
}

/** Likeliest first. */
const RECORDABLE = [Filtered, Authenticated, Authorised, Validated, Executed] as const

// Nobody replaces what `is` answers, or gives a stage another parent.
for (const stage of [Connected, ...RECORDABLE, Recorded]) {
  Object.freeze(stage)
  Object.freeze(stage.prototype)
}

/** A stage class as seen by {@link requireStage}. */
export interface StageClass<T extends object> {
  readonly name: string
  is(value: object): value is T
}

/**
 * Refuses anything that is not a genuine instance of a stage.
 *
 * @param stage - the stage class that is due
 * @param value - what was handed in
 * @throws {@link KosError} KOS_PIPELINE_SKIPPED when the value is another stage or a forgery
 */
export function requireStage<T extends object>(stage: StageClass<T>, value: object): void {
  // Types end at run time: where nothing was handed in, a stage was skipped too.
  const given: unknown = value
  if (typeof given !== 'object' || given === null || !stage.is(given)) {
    throw pipelineErrors.error('KOS_PIPELINE_SKIPPED', { expected: stage.name })
  }
}

/** Mints {@link Connected}; for network/admission alone. */
export function mintConnected(connection: ConnectionFacts): Connected {
  return new Connected(MINT, connection)
}

/** Mints {@link Authenticated}; for network/session alone. */
export function mintAuthenticated(
  from: Connected,
  facts: { peer: PeerFacts; sessionId: string },
): Authenticated {
  return new Authenticated(MINT, from, facts)
}

/** Mints {@link Authorised}; for trust/policy alone. */
export function mintAuthorised(
  from: Authenticated,
  facts: { call: CallRequest; grant: Grant; decideArguments: ArgumentDecision | undefined },
): Authorised {
  return new Authorised(MINT, from, facts)
}

/** Mints {@link Validated}; for commands/catalog alone. */
export function mintValidated(
  from: Authorised,
  facts: { arguments: unknown; grant: Grant },
): Validated {
  return new Validated(MINT, from, facts)
}

/** Mints {@link Executed}; for commands/execution alone. */
export function mintExecuted(from: Validated, outcome: Outcome): Executed {
  return new Executed(MINT, from, outcome)
}

/** Mints {@link Filtered}; for commands/execution alone. */
export function mintFiltered(from: Executed, outcome: Outcome): Filtered {
  return new Filtered(MINT, from, outcome)
}

/** Mints {@link Recorded}; for trust/audit alone. */
export function mintRecorded(last: Recordable): Recorded {
  return new Recorded(MINT, last)
}
