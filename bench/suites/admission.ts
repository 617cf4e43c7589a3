import { generateKeyPairSync, sign, verify } from 'node:crypto'
import type { ProcessOptions } from '../harness/processes.ts'
import { atLeast, atMost, type Report } from '../harness/report.ts'
import {
  type Effort,
  measureInRounds,
  median,
  medianOf,
  medianRatio,
  type RoundsResult,
  type Samples,
} from '../harness/rounds.ts'

const OURS = 'kos-ready'
const BARE = 'bare-tls'
const LIBP2P = 'libp2p'
const NAMES: Readonly<Record<string, string>> = {
  [OURS]: 'kOS: gate, TLS, AUTH, READY (SEC-2)',
  [BARE]: 'node:tls: handshake, one byte',
  [LIBP2P]: 'js-libp2p: TCP, Noise XX, yamux',
}
const FLOOR = 'floor: node:tls, one P-256 signature and verification per end (sum)'
const LANES = [1, 8]
const PROOF_BATCHES = 5
const PROOFS_PER_BATCH = 1000
/** About the length of what the AUTH signature covers. */
const PROOF_BYTES = 256
/** A connection takes milliseconds: measure longer than calls. */
const LONGER = 2

/**
 * A new connection from TCP to READY against the bare handshake it contains, and against js-libp2p with
 * its own cryptography: X25519, ChaCha20-Poly1305 and Ed25519, nothing post-quantum.
 */
export async function measureAdmission(processes: ProcessOptions, effort: Effort): Promise<Report> {
  const contenders = Object.keys(NAMES)
  const longer = { ...effort, durationMs: effort.durationMs * LONGER }
  const proofUs = measureProof()
  const result = await measureInRounds({ contenders, inFlight: LANES, processes }, longer)
  return {
    suite: 'admission',
    title: `A new connection; TLS rows: SecP256r1MLKEM768, AES-256-GCM, no tickets (medians of ${effort.rounds} rounds)`,
    columns: [
      'in flight',
      'conn/s',
      'p50 ms',
      'p99 ms',
      'CPU µs client',
      'server',
      'both',
      'CPU ÷ bare',
    ],
    rows: LANES.flatMap((inFlight) => [
      ...[...result.keys()].map((name) => row(name, inFlight, result)),
      floorRow(proofUs, inFlight, result),
    ]),
    goals: LANES.flatMap((inFlight) => [
      atMost(
        `${inFlight} in flight: CPU until READY ÷ CPU of the bare handshake`,
        1.25,
        ratio(result, OURS, inFlight),
      ),
      atLeast(
        `${inFlight} in flight: kOS connects per CPU second ÷ js-libp2p's`,
        3,
        medianRatio(
          samplesOf(result, LIBP2P, inFlight),
          samplesOf(result, OURS, inFlight),
          ({ cpuUs }) => cpuUs,
        ),
      ),
    ]),
  }
}

/** CPU of one P-256 signature and one verification, in microseconds: what AUTH adds at each end. */
function measureProof(): number {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const message = Buffer.alloc(PROOF_BYTES, 0x5a)
  const batch = (): number => {
    const before = process.cpuUsage()
    for (let proof = 0; proof < PROOFS_PER_BATCH; proof++) {
      const signature = sign('sha256', message, privateKey)
      if (!verify('sha256', message, publicKey, signature)) throw new Error('a wrong signature')
    }
    const { user, system } = process.cpuUsage(before)
    return (user + system) / PROOFS_PER_BATCH
  }
  batch()
  return median(Array.from({ length: PROOF_BATCHES }, batch))
}

/** No way to authenticate an identity key inside TLS is below this: computed, not run. */
function floorRow(proofUs: number, inFlight: number, result: RoundsResult): Report['rows'][number] {
  const bare = samplesOf(result, BARE, inFlight)
  const client = medianOf(bare, ({ clientCpuUs }) => clientCpuUs) + proofUs
  const server = medianOf(bare, ({ serverCpuUs }) => serverCpuUs) + proofUs
  const both = medianOf(bare, ({ cpuUs }) => cpuUs) + 2 * proofUs
  const overBare = medianOf(bare, ({ cpuUs }) => (cpuUs + 2 * proofUs) / cpuUs)
  const speeds = [undefined, undefined, undefined]
  return [FLOOR, String(inFlight), ...speeds, client, server, both, overBare]
}

function row(name: string, inFlight: number, result: RoundsResult): Report['rows'][number] {
  const samples = samplesOf(result, name, inFlight)
  return [
    NAMES[name] ?? name,
    String(inFlight),
    medianOf(samples, ({ operationsPerSecond }) => operationsPerSecond),
    medianOf(samples, ({ p50Us }) => (p50Us ?? Number.NaN) / 1000),
    medianOf(samples, ({ p99Us }) => (p99Us ?? Number.NaN) / 1000),
    medianOf(samples, ({ clientCpuUs }) => clientCpuUs),
    medianOf(samples, ({ serverCpuUs }) => serverCpuUs),
    medianOf(samples, ({ cpuUs }) => cpuUs),
    ratio(result, name, inFlight),
  ]
}

function ratio(result: RoundsResult, name: string, inFlight: number): number {
  const bare = samplesOf(result, BARE, inFlight)
  return medianRatio(samplesOf(result, name, inFlight), bare, ({ cpuUs }) => cpuUs)
}

function samplesOf(result: RoundsResult, name: string, inFlight: number): Samples {
  return result.get(name)?.get(inFlight) ?? []
}
