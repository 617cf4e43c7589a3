/** Limits, run, result filter, records: what happens to an authorised call. */
export { executionErrors } from './errors.ts'
export { createExecutor, type Executor, type ExecutorDeps } from './executor.ts'
export { DEFAULT_EXECUTOR_LIMITS, type ExecutorLimits, type ExecutorOptions } from './options.ts'
export type { AuthorisePort, CallOutcome, CallRecord, CommandFacts, RecordPort } from './ports.ts'
