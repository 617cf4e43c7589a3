import type { Compilable, CompiledQuery } from 'kysely'
import { storageErrors } from './errors.ts'

/** A query that was compiled once: building one costs more than running it. */
export type PreparedQuery<V, R> = (values: V) => R[]

/** Stands in a query for a value that comes when it runs. */
class Placeholder {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** Compiles a query at its first run, with placeholders for all values. */
export function prepareQuery<V extends object, R>(
  build: (values: V) => Compilable<R>,
  run: (query: CompiledQuery<R>) => R[],
): PreparedQuery<V, R> {
  let template: { readonly query: CompiledQuery<R>; readonly count: number } | undefined
  return (values) => {
    const names = Object.keys(values)
    template ??= { query: build(placeholders<V>(names)).compile(), count: names.length }
    const { query, count } = template
    if (names.length !== count) throw unfit('number of values')
    const parameters = query.parameters.map((value) =>
      value instanceof Placeholder ? valueOf(values, value.name) : value,
    )
    return run({ ...query, parameters })
  }
}

/** The builder takes what is no expression as a value, and looks at none of them. */
function placeholders<V>(names: readonly string[]): V {
  return Object.fromEntries(names.map((name) => [name, new Placeholder(name)])) as V
}

function valueOf(values: object, name: string): unknown {
  const value: unknown = Reflect.get(values, name)
  if (value === undefined) throw unfit(`no ${name}`)
  return value
}

function unfit(rule: string): Error {
  return storageErrors.error('KOS_STORAGE_FAILED', { rule: `prepared query: ${rule}` })
}
