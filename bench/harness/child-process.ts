/** Processes of the bench that are driven over IPC: the end that asks, and the one that answers. */
import { type ChildProcess, fork, type ForkOptions } from 'node:child_process'
import type { ChildAnswer } from './messages.ts'

/** A request without its number; of a union each. */
type Ask<R> = R extends { readonly id: number } ? Omit<R, 'id'> : never

/** A process that is asked; it answers once its module is loaded. */
export class Child<R> {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #next = 0

  /**
   * @param name - what it is called when it ends early
   * @param module - calls {@link answerParent}
   */
  constructor(name: string, module: URL, how: ForkOptions & { readonly args: readonly string[] }) {
    const { args, ...options } = how
    this.#process = fork(module, args, { ...options, stdio: 'inherit' })
    this.#process.on('message', (answer: ChildAnswer) => this.#answered(answer))
    this.#process.on('exit', (code, signal) => {
      const error = new Error(`${name} ended early: ${code ?? signal}`)
      for (const { reject } of this.#waiting.values()) reject(error)
      this.#waiting.clear()
    })
  }

  ask<T>(request: Ask<R>): Promise<T> {
    return this.#send(request) as Promise<T>
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = new Promise((resolve) => this.#process.once('exit', resolve))
    await this.#send({ kind: 'stop' }).catch(() => this.#process.kill('SIGKILL'))
    await gone
  }

  #send(request: object): Promise<unknown> {
    const id = this.#next++
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(id, waiting)
    this.#process.send({ ...request, id })
    return waiting.promise
  }

  #answered(answer: ChildAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if ('error' in answer) waiting?.reject(new Error(answer.error))
    else waiting?.resolve(answer.value)
  }
}

/** Answers what the process that started this one asks, until it says `stop` or is gone. */
export function answerParent<R extends { readonly id: number; readonly kind: string }>(
  perform: (request: R) => Promise<unknown>,
): void {
  const answer = async (request: R): Promise<void> => {
    const { id } = request
    let reply: ChildAnswer
    try {
      reply = { id, value: await perform(request) }
    } catch (error) {
      reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
    }
    process.send?.(reply, () => {
      if (request.kind === 'stop') process.exit(0)
    })
  }
  process.on('message', (request: R) => void answer(request))
  // Whoever started it is gone: so is its purpose.
  process.on('disconnect', () => process.exit(0))
}
