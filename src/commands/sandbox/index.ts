/** Isolation of programs: the probe that says what this host can guarantee. */
export { sandboxErrors } from './errors.ts'
export type { Guarantee, GuaranteeName } from './guarantees.ts'
export {
  type FileFacts,
  type ProbeHost,
  type ProcessIdentity,
  type ProgramResult,
  systemProbeHost,
} from './host.ts'
export {
  DEFAULT_PROBE_OPTIONS,
  type ProbeOptions,
  probeSandbox,
  type SandboxReport,
} from './probe.ts'
