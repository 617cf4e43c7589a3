/** The gate before TLS: address lists, rates, half-open limits, penalties. */
export { parseSource } from './address.ts'
export {
  type Admission,
  type AdmissionOptions,
  type AdmissionStats,
  createAdmission,
} from './admission.ts'
export { MAX_ENFORCEMENT_BYTES, parseEnforcement } from './enforcement-config.ts'
export {
  ENFORCEMENT_MODULES,
  type EnforcementPorts,
  type ModuleEntry,
} from './enforcement-modules.ts'
export { admissionErrors } from './errors.ts'
export {
  type AdmissionFailure,
  type AdmissionLimits,
  DEFAULT_ADMISSION_LIMITS,
  limitsForAddress,
  requestsForConnections,
} from './limits.ts'
export { type AddressLists, NO_LISTS } from './lists.ts'
export type { OnRefusals, RefusalRecord } from './refusal-records.ts'
export type { AdmissionTicket } from './ticket.ts'
