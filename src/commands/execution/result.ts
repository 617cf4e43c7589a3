import { isRefusal, type Refusal } from '../../foundation/base/index.ts'
import {
  type Executed,
  type Filtered,
  mintExecuted,
  mintFiltered,
  type Outcome,
  type Validated,
} from '../../foundation/pipeline/index.ts'
import { type Command, type CommandContext, DataMeter, WIRE_SHAPE } from '../catalog/index.ts'
import type { Ending } from './flight.ts'
import { failedInside, resultInvalid, resultTooLarge } from './refusals.ts'

/** Turns endings of runs into what a peer may see. */
export class ResultFilter {
  readonly #meter = new DataMeter({ ...WIRE_SHAPE, maxBytes: 0, refuseControls: false })

  /** Mints {@link Executed}: an expected failure stays what it is, an exception says nothing. */
  execute(validated: Validated, command: Command, ending: Ending): Executed {
    return mintExecuted(validated, this.#outcome(command, ending))
  }

  /** Mints {@link Filtered}: the command's own filter runs on a result that fits the schema. */
  filter(executed: Executed, command: Command, context: CommandContext): Filtered {
    const { outcome } = executed
    if (outcome.status === 'failed' || !command.filterResult) return mintFiltered(executed, outcome)
    const reduced = command.filterResult(outcome.value, context)
    return mintFiltered(executed, this.#checked(command, reduced))
  }

  #outcome(command: Command, ending: Ending): Outcome {
    if (ending.kind === 'error') return failed(failedInside)
    if (ending.kind === 'stopped') return failed(ending.refusal)
    if (isRefusal(ending.value)) return failed(ending.value)
    return this.#checked(command, ending.value)
  }

  #checked(command: Command, result: unknown): Outcome {
    // Our own value needs no bounds before the schema; the meter bounds what leaves it.
    const data = command.parseResult(result)
    if (data === undefined) return failed(resultInvalid)
    if (this.#meter.accepts(data, command.resultShape)) return { status: 'ok', value: data }
    return failed(this.#meter.problem === 'too-long' ? resultTooLarge : resultInvalid)
  }
}

function failed(failure: Refusal): Outcome {
  return { status: 'failed', failure }
}
