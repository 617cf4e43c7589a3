/** EST clients against a running authority, over HTTP of our own: what curl would not send. */
import assert from 'node:assert/strict'
import { DerReader, parseCertificate, pemEncode } from '../../src/foundation/codec/index.ts'
import { estCsr, estRenewCsr } from './est.ts'
import { type Presented, type RawAnswer, rawRequest, type TestFabric } from './fabric.ts'
import { testKey, type TestKey } from './x509.ts'

const PATH = '/.well-known/est'

/** User and password of HTTP Basic. */
export interface EstSecret {
  readonly user: string
  readonly password: string
}

/** A secret that the first operator made. */
export async function estSecret(fabric: TestFabric, name: string): Promise<EstSecret> {
  const made = await fabric.kosctl(['token', 'create', '--name', name, '--est', '--json'])
  assert.equal(made.code, 0, made.err)
  return (JSON.parse(made.out) as { est: EstSecret }).est
}

/** What a client sends. */
interface EstSent {
  /** Goes as base64. */
  readonly csr?: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly identity?: Presented
}

/** Sends to an EST route. */
export function estPost(
  fabric: TestFabric,
  route: string,
  { csr = new Uint8Array(), headers = {}, body, identity }: EstSent,
): Promise<RawAnswer> {
  return rawRequest(fabric.authority.api.port, {
    method: 'POST',
    path: `${PATH}/${route}`,
    body: body ?? Buffer.from(Buffer.from(csr).toString('base64')),
    headers: { 'content-type': 'application/pkcs10', ...headers },
    ...(identity && { identity }),
  })
}

/** Enrols with a secret. */
export function estEnrol(
  fabric: TestFabric,
  { user, password }: EstSecret,
  csr: Uint8Array,
): Promise<RawAnswer> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  return estPost(fabric, 'simpleenroll', { csr, headers: { authorization } })
}

/** A device with its key and certificate. */
interface EstPeer {
  readonly key: TestKey
  readonly leaf: Uint8Array
  readonly identity: Presented
}

/** The device that an answer makes. */
export function estPeer(key: TestKey, answer: RawAnswer): EstPeer {
  assert.equal(answer.status, 200, answer.text)
  const leaf = onlyCertificate(Buffer.from(answer.text, 'base64'))
  const pem = key.privateKey.export({ type: 'pkcs8', format: 'pem' })
  return { key, leaf, identity: { cert: pemEncode('CERTIFICATE', leaf), key: Buffer.from(pem) } }
}

/** Enrols a device that must be admitted. */
export async function estDevice(fabric: TestFabric, name: string): Promise<EstPeer> {
  const key = testKey()
  return estPeer(key, await estEnrol(fabric, await estSecret(fabric, name), estCsr(key)))
}

/** Renews with the certificate of a device: for a key under its names, or what another CSR asks for. */
export function estReenrol(
  fabric: TestFabric,
  { leaf, identity }: EstPeer,
  wanted: TestKey | Uint8Array,
): Promise<RawAnswer> {
  const csr = wanted instanceof Uint8Array ? wanted : estRenewCsr(leaf, wanted)
  return estPost(fabric, 'simplereenroll', { csr, identity })
}

/** Entries of the audit log, the newest 1000. */
export async function auditEntries(
  fabric: TestFabric,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { out } = await fabric.kosctl(['audit', 'tail', '--count', '1000', '--json'])
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
}

/** What the registry says of a device. */
export async function shown(
  fabric: TestFabric,
  name: string,
): Promise<Readonly<Record<string, unknown>>> {
  const { out, err } = await fabric.kosctl(['devices', 'show', name, '--json'])
  assert.notEqual(out, '', err)
  return JSON.parse(out) as Readonly<Record<string, unknown>>
}

/** The one certificate of a certs-only message. */
function onlyCertificate(message: Uint8Array): Uint8Array {
  const info = new DerReader(message).sequence()
  info.element()
  const signed = info.enter(0xa0).sequence()
  for (const _ of ['version', 'digests', 'content']) signed.element()
  const leaf = signed.content(0xa0)
  return parseCertificate(leaf).der
}
