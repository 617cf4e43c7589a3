import type { ExecutionQuota, Profile, ProfileName } from './profile.ts'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const KIB = 1024
const MIB = 1024 * 1024
const GIB = 1024 * MIB

const P256_SIGNATURES = ['ecdsa_secp256r1_sha256'] as const

const quota = (
  shares: readonly [cpuCores: number, memoryMiB: number, processes: number, files: number],
  bounds: readonly [
    scratchMiB: number,
    wallSeconds: number,
    cpuSeconds: number,
    outputKiB: number,
    programs: number,
  ],
  network: ExecutionQuota['network'],
): ExecutionQuota => ({
  cpuCores: shares[0],
  memoryBytes: shares[1] * MIB,
  maxProcesses: shares[2],
  maxOpenFiles: shares[3],
  scratchBytes: bounds[0] * MIB,
  wallTimeMs: bounds[1] * SECOND_MS,
  cpuTimeSeconds: bounds[2],
  maxOutputBytes: bounds[3] * KIB,
  maxPrograms: bounds[4],
  network,
})

const SEC_0: Profile = {
  name: 'SEC-0',
  level: 0,
  useCase: 'Unmanaged device: read-only, isolated, alert-only',
  transport: undefined,
  authentication: { factor: 'none', clusterMembersOnly: false },
  certificateLifeMs: undefined,
  renewalGraceMs: 0,
  attestation: { demand: 'none', atBoot: false, beforeAdmission: false, intervalMs: undefined },
  revocation: { lockList: false, crl: false, maxLockListAgeMs: undefined },
  updates: { mode: 'none', approvals: 0, rollbackCounter: 'none' },
  messages: { seal: 'none', signed: 'nothing' },
  audit: { mode: 'local', witnessed: false, intentAlways: false },
  ceiling: {
    session: false,
    execution: 'none',
    externalTraffic: 'none',
    untrustedCode: 'refused',
  },
  quota: undefined,
  pingIntervalMs: 20 * SECOND_MS,
  deadPeerMs: 60 * SECOND_MS,
  daemonBytesPerHour: MIB,
  joinEvidence: 'none',
}

const SEC_1: Profile = {
  name: 'SEC-1',
  level: 1,
  useCase: 'Basic IoT or sensor node',
  transport: {
    cipherSuite: 'TLS_AES_128_GCM_SHA256',
    groups: ['SecP256r1MLKEM768', 'X25519MLKEM768', 'P-256'],
    authentication: 'psk',
    signatureAlgorithms: P256_SIGNATURES,
    pinsRequired: false,
    defaultPort: 7401,
  },
  authentication: { factor: 'psk', clusterMembersOnly: false },
  certificateLifeMs: undefined,
  renewalGraceMs: 0,
  attestation: { demand: 'none', atBoot: false, beforeAdmission: false, intervalMs: undefined },
  revocation: { lockList: true, crl: false, maxLockListAgeMs: undefined },
  updates: { mode: 'manual', approvals: 0, rollbackCounter: 'sealed-state' },
  messages: { seal: 'per-flush', signed: 'nothing' },
  audit: { mode: 'forwarded', witnessed: false, intentAlways: false },
  ceiling: {
    session: true,
    execution: 'minimal',
    externalTraffic: 'none',
    untrustedCode: 'namespace',
  },
  quota: quota([0.25, 64, 16, 64], [8, 10, 5, 256, 1], 'none'),
  pingIntervalMs: 20 * SECOND_MS,
  deadPeerMs: 60 * SECOND_MS,
  daemonBytesPerHour: 64 * MIB,
  joinEvidence: 'token',
}

const SEC_2: Profile = {
  name: 'SEC-2',
  level: 2,
  useCase: 'Trusted edge device, for example a camera or a local agent',
  transport: {
    cipherSuite: 'TLS_AES_256_GCM_SHA384',
    groups: ['SecP256r1MLKEM768', 'X25519MLKEM768', 'P-256'],
    authentication: 'certificate',
    signatureAlgorithms: P256_SIGNATURES,
    pinsRequired: false,
    defaultPort: 7402,
  },
  authentication: { factor: 'identity-key', clusterMembersOnly: false },
  certificateLifeMs: DAY_MS,
  renewalGraceMs: 30 * DAY_MS,
  attestation: { demand: 'optional', atBoot: false, beforeAdmission: false, intervalMs: undefined },
  revocation: { lockList: true, crl: true, maxLockListAgeMs: undefined },
  updates: { mode: 'scheduled', approvals: 0, rollbackCounter: 'sealed-state' },
  messages: { seal: 'per-flush', signed: 'bus' },
  audit: { mode: 'forwarded', witnessed: false, intentAlways: false },
  ceiling: {
    session: true,
    execution: 'limited',
    externalTraffic: 'proxy-allow-list',
    untrustedCode: 'namespace',
  },
  quota: quota([0.5, 128, 32, 128], [32, 30, 15, 1024, 2], 'proxy-allow-list'),
  pingIntervalMs: 20 * SECOND_MS,
  deadPeerMs: 60 * SECOND_MS,
  daemonBytesPerHour: 4 * GIB,
  joinEvidence: 'token',
}

const SEC_3: Profile = {
  ...SEC_2,
  name: 'SEC-3',
  level: 3,
  useCase: 'Autonomous compute node or assistant',
  transport: {
    cipherSuite: 'TLS_AES_256_GCM_SHA384',
    groups: ['SecP256r1MLKEM768', 'X25519MLKEM768'],
    authentication: 'certificate',
    signatureAlgorithms: P256_SIGNATURES,
    pinsRequired: true,
    defaultPort: 7403,
  },
  authentication: { factor: 'hardware-key', clusterMembersOnly: false },
  certificateLifeMs: HOUR_MS,
  renewalGraceMs: DAY_MS,
  attestation: {
    demand: 'required',
    atBoot: true,
    beforeAdmission: false,
    intervalMs: 15 * MINUTE_MS,
  },
  revocation: { lockList: true, crl: true, maxLockListAgeMs: 10 * MINUTE_MS },
  updates: { mode: 'automatic', approvals: 0, rollbackCounter: 'tpm-nv' },
  messages: { seal: 'per-flush', signed: 'commands-and-results' },
  audit: { mode: 'fail-closed', witnessed: false, intentAlways: true },
  ceiling: {
    session: true,
    execution: 'full',
    externalTraffic: 'proxy-allow-list',
    untrustedCode: 'microvm',
  },
  quota: quota([1, 256, 64, 256], [64, 60, 60, 4096, 4], 'proxy-allow-list'),
  daemonBytesPerHour: 64 * GIB,
  joinEvidence: 'hardware',
}

const SEC_4: Profile = {
  ...SEC_3,
  name: 'SEC-4',
  level: 4,
  useCase: 'Critical infrastructure and interop bridge',
  transport: {
    cipherSuite: 'TLS_AES_256_GCM_SHA384',
    groups: ['SecP256r1MLKEM768', 'SecP384r1MLKEM1024'],
    authentication: 'certificate',
    signatureAlgorithms: P256_SIGNATURES,
    pinsRequired: true,
    defaultPort: 7404,
  },
  authentication: { factor: 'hardware-key-and-second-factor', clusterMembersOnly: true },
  attestation: {
    demand: 'required',
    atBoot: true,
    beforeAdmission: true,
    intervalMs: MINUTE_MS,
  },
  revocation: { lockList: true, crl: true, maxLockListAgeMs: 30 * SECOND_MS },
  updates: { mode: 'manual', approvals: 2, rollbackCounter: 'tpm-nv' },
  messages: { seal: 'per-message', signed: 'every-operation' },
  audit: { mode: 'fail-closed', witnessed: true, intentAlways: true },
  ceiling: {
    session: true,
    execution: 'full',
    externalTraffic: 'cluster-only',
    untrustedCode: 'microvm',
  },
  quota: quota([0.5, 128, 16, 64], [16, 30, 10, 256, 1], 'none'),
  pingIntervalMs: 5 * SECOND_MS,
  deadPeerMs: 15 * SECOND_MS,
  daemonBytesPerHour: 16 * GIB,
}

/** The one table of profiles, frozen to the last leaf. */
export const PROFILES: Readonly<Record<ProfileName, Profile>> = deepFreeze({
  'SEC-0': SEC_0,
  'SEC-1': SEC_1,
  'SEC-2': SEC_2,
  'SEC-3': SEC_3,
  'SEC-4': SEC_4,
})

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) {
    if (typeof child === 'object' && child !== null && !Object.isFrozen(child)) deepFreeze(child)
  }
  return Object.freeze(value)
}
