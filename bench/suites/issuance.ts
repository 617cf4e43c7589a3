import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { join } from 'node:path'
import { isRefusal, sha256, systemClock } from '../../src/foundation/base/index.ts'
import {
  buildCsr,
  buildName,
  certificateSignerFromKey,
  parseCsr,
  verifyCsr,
} from '../../src/foundation/codec/index.ts'
import { type CertificateAuthority, verifyPeerLeaf } from '../../src/trust/pki/index.ts'
import { benchPrincipal, createBenchAuthority } from '../harness/fleet.ts'
import { type InlineCase, inlineMedian, inlineRatio, measureInline } from '../harness/inline.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import type { Effort } from '../harness/rounds.ts'

const HOUR_MS = 3_600_000
/** Requests with keys of their own, used in turn. */
const REQUESTS = 64
/** Signatures per look at the clock. */
const AT_ONCE = 20

const ISSUE = 'kOS: read and verify a request, issue the leaf'
const CHECK = 'kOS: verify the leaf of a peer'
const LIMIT = 'node:crypto alone: sign and verify once (P-256)'

/** Device certificates from requests, against the two signatures in it. */
export async function measureIssuance(options: ProcessOptions, effort: Effort): Promise<Report> {
  const { ca, keys } = createBenchAuthority(join(options.fleet, 'issuance'))
  const cases = [...caCases(ca), limitCase()]
  const samples = await measureInline(cases, effort)
  keys.close()
  const limit = samples.get(LIMIT)
  return {
    suite: 'issuance',
    title: `Device certificates, P-256, one thread (medians of ${effort.rounds} rounds)`,
    columns: ['per second', 'CPU µs each', 'CPU ÷ sign + verify'],
    rows: cases.map(({ name }) => [
      name,
      inlineMedian(samples.get(name), 'operationsPerSecond'),
      inlineMedian(samples.get(name), 'cpuUs'),
      inlineRatio(samples.get(name), limit, 'cpuUs'),
    ]),
    goals: [
      atMost(
        'CPU of a certificate ÷ CPU of one signature and one verification',
        2.2,
        inlineRatio(samples.get(ISSUE), limit, 'cpuUs'),
      ),
    ],
  }
}

function caCases(ca: CertificateAuthority): readonly InlineCase[] {
  const requests = Array.from({ length: REQUESTS }, newRequest)
  const device = benchPrincipal(ca, 'service', 'bench')
  const identityKeyHash = sha256(requests[0] ?? new Uint8Array())
  let next = 0
  const issue = (): Uint8Array => {
    const request = parseCsr(requests[next++ % REQUESTS] ?? new Uint8Array())
    if (!verifyCsr(request)) throw new Error('a request does not verify')
    const { der } = ca.issueLeaf({
      principal: device,
      tlsSpki: request.spki,
      identity: { floor: 'SEC-2', generation: 1, identityKeyHash },
      usage: 'peer',
      lifeMs: 24 * HOUR_MS,
    })
    return der
  }
  const leaf = issue()
  const check = (): void => {
    const nowMs = systemClock.wallMs()
    const peer = verifyPeerLeaf(leaf, { bundle: ca.trust, purpose: 'client', nowMs })
    if (isRefusal(peer)) throw new Error(`the issued leaf is refused: ${peer.rule}`)
  }
  return [
    { name: ISSUE, run: () => repeat(issue) },
    { name: CHECK, run: () => repeat(check) },
  ]
}

function limitCase(): InlineCase {
  const { privateKey, publicKey } = newKey()
  const message = Buffer.alloc(600, 7)
  return {
    name: LIMIT,
    run: () =>
      repeat(() => {
        const signature = sign('sha256', message, privateKey)
        if (!verify('sha256', message, publicKey, signature)) throw new Error('not verified')
      }),
  }
}

function newRequest(): Uint8Array {
  const { privateKey, publicKey } = newKey()
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  return buildCsr({ subject: buildName([]), spki }, certificateSignerFromKey(privateKey))
}

function newKey(): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function repeat(work: () => unknown): number {
  for (let count = 0; count < AT_ONCE; count++) work()
  return AT_ONCE
}
