import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { join } from 'node:path'
import { isRefusal, sha256, systemClock } from '../../src/foundation/base/index.ts'
import {
  buildCsr,
  buildName,
  certificateSignerFromKey,
  parseCertificate,
  parseCsr,
  verifyCsr,
} from '../../src/foundation/codec/index.ts'
import {
  type CertificateAuthority,
  KOS_IDENTITY_OID,
  verifyPeerLeaf,
} from '../../src/trust/pki/index.ts'
import { createPeculiarAuthority } from '../contenders/issuance-peculiar.ts'
import { benchPrincipal, createBenchAuthority } from '../harness/fleet.ts'
import { type InlineCase, inlineMedian, inlineRatio, measureInline } from '../harness/inline.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { type Chain, verifyWithOpenssl } from '../harness/openssl-verify.ts'
import { atLeast, atMost, type Report } from '../harness/report.ts'
import type { Effort } from '../harness/rounds.ts'

const HOUR_MS = 3_600_000
/** Requests with keys of their own, used in turn. */
const REQUESTS = 64
/** Signatures per look at the clock. */
const AT_ONCE = 20

const ISSUE = 'kOS: read and verify a request, issue the leaf'
const PECULIAR = '@peculiar/x509: the same'
const CHECK = 'kOS: verify the leaf of a peer'
const LIMIT = 'node:crypto alone: sign and verify once (P-256)'

/** One side of the comparison, and every certificate that it issued while it was measured. */
interface Issuer {
  readonly measured: InlineCase
  readonly issued: readonly Uint8Array[]
  readonly chain: Chain
}

/**
 * Device certificates from requests, against the two signatures in it and against `@peculiar/x509`.
 * `openssl verify` checks every certificate of the run.
 */
export async function measureIssuance(options: ProcessOptions, effort: Effort): Promise<Report> {
  const folder = join(options.fleet, 'issuance')
  const { ca, keys } = createBenchAuthority(folder)
  const requests = Array.from({ length: REQUESTS }, newRequest)
  const issuers = [kosIssuer(ca, requests), await peculiarIssuer(ca, requests)]
  const cases = [...issuers.map(({ measured }) => measured), checkCase(ca, requests), limitCase()]
  const samples = await measureInline(cases, effort)
  keys.close()
  let checked = 0
  for (const { issued, chain } of issuers) {
    verifyWithOpenssl(join(folder, 'issued'), issued, chain)
    checked += issued.length
  }
  const limit = samples.get(LIMIT)
  return {
    suite: 'issuance',
    title:
      `Device certificates, P-256, one thread (medians of ${effort.rounds} rounds; ` +
      `openssl verify found all ${checked.toLocaleString('en-US')} good)`,
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
      atLeast(
        'certificates per CPU second ÷ those of @peculiar/x509',
        8,
        inlineRatio(samples.get(PECULIAR), samples.get(ISSUE), 'cpuUs'),
      ),
    ],
  }
}

function kosIssuer(ca: CertificateAuthority, requests: readonly Uint8Array[]): Issuer {
  const issued: Uint8Array[] = []
  const issue = leafIssuer(ca, requests)
  const [intermediate, root] = ca.chain
  return {
    measured: { name: ISSUE, run: () => repeat(() => issued.push(issue())) },
    issued,
    chain: { root, intermediates: [intermediate] },
  }
}

/** Reads and verifies the next request, issues its leaf. */
function leafIssuer(ca: CertificateAuthority, requests: readonly Uint8Array[]): () => Uint8Array {
  const next = inTurn(requests)
  const principal = benchPrincipal(ca, 'service', 'bench')
  const identityKeyHash = sha256(requests[0] ?? new Uint8Array())
  return () => {
    const request = parseCsr(next())
    if (!verifyCsr(request)) throw new Error('a request does not verify')
    const { der } = ca.issueLeaf({
      principal,
      tlsSpki: request.spki,
      identity: { floor: 'SEC-2', generation: 1, identityKeyHash },
      usage: 'peer',
      lifeMs: 24 * HOUR_MS,
    })
    return der
  }
}

/** Leaves with the same names and extensions, by the library's own calls. */
async function peculiarIssuer(
  ca: CertificateAuthority,
  requests: readonly Uint8Array[],
): Promise<Issuer> {
  const issued: Uint8Array[] = []
  const next = inTurn(requests)
  const example = parseCertificate(leafIssuer(ca, requests)())
  const identity = example.extensions.find(({ oid }) => oid === KOS_IDENTITY_OID)
  if (!identity) throw new Error('a leaf of kOS carries its identity')
  const authority = await createPeculiarAuthority({
    uri: benchPrincipal(ca, 'service', 'bench').uri,
    subject: '2.5.4.5=bench',
    identity: { oid: identity.oid, value: identity.value },
  })
  const run = async (): Promise<number> => {
    for (let count = 0; count < AT_ONCE; count++) issued.push(await authority.issue(next()))
    return AT_ONCE
  }
  const chain = { root: authority.rootDer, intermediates: [] }
  return { measured: { name: PECULIAR, run }, issued, chain }
}

function checkCase(ca: CertificateAuthority, requests: readonly Uint8Array[]): InlineCase {
  const leaf = leafIssuer(ca, requests)()
  const check = (): void => {
    const nowMs = systemClock.wallMs()
    const peer = verifyPeerLeaf(leaf, { bundle: ca.trust, purpose: 'client', nowMs })
    if (isRefusal(peer)) throw new Error(`the issued leaf is refused: ${peer.rule}`)
  }
  return { name: CHECK, run: () => repeat(check) }
}

function inTurn(requests: readonly Uint8Array[]): () => Uint8Array {
  let next = 0
  return () => requests[next++ % requests.length] ?? new Uint8Array()
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
