/** Command definitions, argument and result schemas, sanitising. */
export { createBuiltins } from './builtins.ts'
export { calcCommand } from './calc.ts'
export { type Catalog, createCatalog, createLiveCatalog, type LiveCatalog } from './catalog.ts'
export {
  bytesSchema,
  type Command,
  type CommandContext,
  type CommandDefinition,
  type CommandExample,
  type CommandLimits,
  defineCommand,
  isCommandName,
  type JsonSchema,
  type RecordFacts,
} from './command.ts'
export {
  DataKeeper,
  type DataLimits,
  DataMeter,
  type DataProblem,
  sameData,
  WIRE_SHAPE,
} from './data.ts'
export { echoCommand } from './echo.ts'
export { catalogErrors } from './errors.ts'
export type { FileRoot } from './files-path.ts'
export {
  type PolicyAnswer,
  policyExplainCommand,
  type PolicyExplainPort,
  type PolicyQuestion,
} from './policy-explain.ts'
export {
  type AllowedProgram,
  type AllowedPrograms,
  DEFAULT_PROGRAMS,
  type ProgramBounds,
  type ProgramChecks,
  readAllowedPrograms,
} from './process-programs.ts'
export { NO_PROGRAMS, type ProcessOptions, programLimits } from './process-run.ts'
export type { ProgramLimits, ProgramResult, ProgramRun, ProgramRunner } from './program.ts'
export {
  type HostStatus,
  readHostInfo,
  readHostStatus,
  type SystemInfo,
  type SystemPort,
  type SystemStatus,
} from './system.ts'
export { createUserCommand, type UserCommandDeps } from './user-command.ts'
export { type CommandsPort, describingCommands, type RefusedFile } from './user-describe.ts'
export {
  type FileChecks,
  MAX_COMMAND_FILE_BYTES,
  readUserCommand,
  type UserDefinition,
  type UserReading,
} from './user-file.ts'
export { commandFileJsonSchema, SECRET_NAME, USER_LIMITS } from './user-format.ts'
export type { FileProblem } from './user-schema.ts'
export type { CommandSecrets } from './user-secrets.ts'
export { trustProblem } from './user-trust.ts'
