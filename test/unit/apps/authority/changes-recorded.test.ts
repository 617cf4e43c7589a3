/** A change of an operator stands between two records, however it ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authorityErrors } from '../../../../src/apps/authority/errors.ts'
import type { RouteCall } from '../../../../src/apps/authority/http-types.ts'
import { lockRoutes } from '../../../../src/apps/authority/routes-locks.ts'
import type { AuthorityServices } from '../../../../src/apps/authority/services.ts'
import type { AuditEvent } from '../../../../src/trust/audit/index.ts'

const URI = 'spiffe://kos.internal/device/kdev-1'
const CALL = {
  caller: { id: 'olga', uri: 'spiffe://kos.internal/user/olga' },
  body: new Uint8Array(),
  parameters: { name: 'camera-1' },
  query: {},
  source: '127.0.0.1',
} as unknown as RouteCall

/** Removes a device from an authority whose lock list fails; the records, and whether they can be. */
async function removeFailing(error: Error, isFull = false): Promise<readonly AuditEvent[]> {
  const records: AuditEvent[] = []
  const services = {
    registry: { principalNamed: () => ({ id: 'kdev-1', uri: URI, state: 'active' }) },
    locks: { remove: () => Promise.reject(error) },
    record: (event: AuditEvent) => {
      if (isFull && records.length > 0) return Promise.reject(new Error('the disk is full'))
      records.push(event)
      return Promise.resolve()
    },
  } as unknown as AuthorityServices
  const remove = lockRoutes(services).find(
    ({ method, path }) => method === 'DELETE' && path === '/v1/principals/:name',
  )
  assert.ok(remove)
  await assert.rejects(async () => remove.handle(CALL), error)
  return records
}

test('a change that throws is recorded as failed, with its code', async () => {
  const full = authorityErrors.error('KOS_AUTHORITY_STORE')
  for (const [error, code] of [
    [full, 'KOS_AUTHORITY_STORE'],
    [new Error('unforeseen'), 'KOS_AUTHORITY_INTERNAL'],
  ] as const) {
    const records = await removeFailing(error)
    assert.deepEqual(
      records.map((record) => [record.action, record.target, record.outcome, record.code]),
      [
        ['device.remove', URI, 'intent', undefined],
        ['device.remove', URI, 'failed', code],
      ],
    )
  }
})

test('where that cannot be recorded either, the first reason is what is told', async () => {
  const records = await removeFailing(authorityErrors.error('KOS_AUTHORITY_STORE'), true)
  assert.deepEqual(
    records.map(({ outcome }) => outcome),
    ['intent'],
  )
})
