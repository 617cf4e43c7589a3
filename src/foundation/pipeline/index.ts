/** The stage types of a request and their order; no I/O. */
export {
  createEnforcement,
  type Enforcement,
  ENFORCEMENT_STAGES,
  type EnforcementFacts,
  type EnforcementModule,
  type EnforcementModules,
  type EnforcementStage,
  NO_ENFORCEMENT,
} from './enforcement.ts'
export { pipelineErrors } from './errors.ts'
export type {
  ArgumentDecision,
  CallRequest,
  ConnectionFacts,
  Grant,
  Outcome,
  PeerFacts,
} from './facts.ts'
export {
  Authenticated,
  Authorised,
  Connected,
  Executed,
  Filtered,
  mintAuthenticated,
  mintAuthorised,
  mintConnected,
  mintExecuted,
  mintFiltered,
  mintRecorded,
  mintValidated,
  type Recordable,
  Recorded,
  requireStage,
  type StageClass,
  Validated,
} from './stages.ts'
