/** A node: joining, membership, sessions with peers and authority, serving commands. */
export {
  formatHostPort,
  type HostPort,
  parseHostPort,
  permanentMacs,
  plainHost,
  reachableHosts,
} from './addresses.ts'
export {
  encodeAlert,
  isMacOf,
  macAlert,
  MAX_ALERT_BYTES,
  parseAlert,
  type SentAlert,
} from './alert.ts'
export {
  type AuthorityAnswer,
  type AuthorityClient,
  parseAnswer,
  refusalOf,
  type RequestBody,
} from './authority-client.ts'
export {
  configurationEvent,
  describeEnforcement,
  enforceCalls,
  enforceHandshake,
  enforcementEvent,
  type LoadedEnforcement,
  loadEnforcement,
} from './enforcement.ts'
export { joinAuthority, type JoinOptions, renewMembership, type RenewOptions } from './enrol.ts'
export { joinAuthorityByPsk } from './enrol-psk.ts'
export { nodeErrors } from './errors.ts'
export {
  authorityFabricCommands,
  type AuthorityPort,
  FABRIC,
  MAX_PUSHED_BYTES,
} from './fabric-commands.ts'
export { explainedSubject, type ExplainedSubject } from './explain-subject.ts'
export { isCertificateRefusal } from './refused-certificate.ts'
export { readKeptToken } from './signed-client.ts'
export { createFabricState, type FabricState } from './fabric-state.ts'
export { type FirstBoot, readFirstBoot, shredFirstBoot, writeFirstBoot } from './first-boot.ts'
export type { FloorClock } from './floor-clock.ts'
export { type FloorFile, openFloorFile } from './floor-file.ts'
export { floorRecorder, profileRecorder } from './floor-records.ts'
export { recordInterrupted } from './interrupted.ts'
export { joinPatiently, type JoinPatience } from './join-retry.ts'
export { keepPort, type KeptListener, listenCandidates } from './kept-port.ts'
export { bindMachine, machineMarks, type MachineMarks } from './machine.ts'
export { type Member, openMember, openMemberKeys } from './member.ts'
export { byPassphrase, openFolderKeys, type PassphraseSource, type UnlockDeps } from './unlock.ts'
export { listenerAddresses, type OpenListeners, openListeners } from './listeners.ts'
export { loadMembership, type Membership, storeMembership } from './membership.ts'
export { type RunningNode, startNode } from './node.ts'
export type { NodeDeps, NodeOptions } from './node-parts.ts'
export { recordOffline } from './node-store.ts'
export { OBJECT_KINDS, type ObjectKind, writeObject, writePrivate } from './object-files.ts'
export {
  createPeerRuntime,
  type OpenSession,
  type PeerAddress,
  type PeerRuntime,
  type PeerSelf,
} from './peer-runtime.ts'
export { createPolicyFacts, directoryFacts } from './policy-facts.ts'
export { refuseUnpinned } from './pins.ts'
export { ensurePrincipalKeys, ensureTlsKey, tlsKeyName } from './principal-keys.ts'
export {
  callLog,
  disagreementRecorder,
  recordSoon,
  refusalRecorder,
  sessionRecorder,
} from './recorders.ts'
export { routesTo } from './routes.ts'
export { raiseMembership, type RaiseOptions } from './raise.ts'
export { memberSelf } from './self.ts'
export type { StandbyOffer } from './standby-signer.ts'
export { readCheckpoint, type SeenCheckpoint, writeCheckpoint } from './seen-checkpoint.ts'
export { secretFoldersOf } from './user-commands.ts'
export {
  type CommandFilesReport,
  defaultCommandsFolder,
  inspectCommandFiles,
} from './user-commands-catalog.ts'
export {
  type RunningUnmanaged,
  startUnmanaged,
  type UnmanagedOptions,
  type UnmanagedStatus,
} from './unmanaged.ts'
export { KOS_VERSION } from './version.ts'
export { wantedName } from './wanted-name.ts'
export { trustAnchorsPem } from './trust-anchors.ts'
