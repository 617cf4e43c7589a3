/** Isolation of programs: what this host can guarantee, and runs in it. */
export { sandboxErrors } from './errors.ts'
export { type Guarantee, type GuaranteeName, notInForce } from './guarantees.ts'
export type { IsolationFeatures } from './isolation.ts'
export {
  type FileFacts,
  type ProbeHost,
  type ProcessIdentity,
  type ProbeResult,
  systemProbeHost,
} from './host.ts'
export {
  DEFAULT_PROBE_OPTIONS,
  type ProbeOptions,
  probeSandbox,
  type SandboxReport,
} from './probe.ts'
export { createProgramRunner, type SandboxRunner, type SandboxRunnerOptions } from './runner.ts'
