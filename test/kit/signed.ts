/** Requests to the authority's API whose signature a test writes itself. */
import assert from 'node:assert/strict'
import {
  eventually,
  type RawAnswer,
  type RawRequest,
  signRawRequest,
  type TestFabric,
} from './fabric.ts'

/** A request that an operator may make. */
export const LISTING: RawRequest = { method: 'GET', path: '/v1/principals' }

/** The header fields with which a fabric's first operator signs a request now. */
export async function signatureOf(
  fabric: TestFabric,
  request: RawRequest,
  nonce?: Uint8Array,
): Promise<Readonly<Record<string, string>>> {
  const { clock, authority, operator } = fabric
  const token = await fabric.token(operator)
  const { port } = authority.api
  return signRawRequest(request, { token, port, clock, ...(nonce && { nonce }) })
}

/** Sends a request as the first operator with exactly these header fields. */
export function sendWith(
  fabric: TestFabric,
  request: RawRequest,
  headers: RawRequest['headers'],
): Promise<RawAnswer> {
  const all = { ...request, as: fabric.operator, signedBy: 'none', ...(headers && { headers }) }
  return fabric.request(all)
}

/** Every failure of a signature looks like this from outside, and no other way. */
export function assertRefused(answer: RawAnswer, what: string): void {
  assert.deepEqual(
    [answer.status, answer.code, answer.rule],
    [401, 'KOS_SESSION_SIGNATURE', 'signature'],
    `${what}: ${answer.text}`,
  )
}

/** Waits until the audit log holds a refused request with a rule; who was refused. */
export async function recordedActor(fabric: TestFabric, rule: string): Promise<string> {
  let actor = ''
  await eventually(async () => {
    const { out } = await fabric.kosctl(['audit', 'tail', '--count', '500', '--json'])
    const entries = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
    const found = entries.find((entry) => entry['type'] === 'refusal' && entry['rule'] === rule)
    actor = typeof found?.['actor'] === 'string' ? found['actor'] : ''
    return found !== undefined
  }, `a record of ${rule}`)
  return actor
}
