/** A certificate about which OpenSSL and the own check disagree leaves an alarm in the audit log. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogFields } from '../../../../src/foundation/base/index.ts'
import { disagreementRecorder } from '../../../../src/apps/node/recorders.ts'
import type { VerdictDisagreement } from '../../../../src/network/transport/index.ts'
import { openTestLog } from '../../../kit/audit.ts'

const TARGET = 'spiffe://kos.test/device/kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa'
const FOUND: VerdictDisagreement = {
  openssl: 'ok',
  own: 'uri-san',
  source: '192.0.2.7',
  purpose: 'client',
}

test('the record names address, role and what each of both said', async (context) => {
  const { audit } = await openTestLog(context)
  const before = (await audit.entries(0, 100)).length
  const record = disagreementRecorder({ event: () => assert.fail('not logged') }, audit, TARGET)
  record(FOUND)
  record({ ...FOUND, openssl: 'INVALID_CA', own: 'ok', purpose: 'server' })
  await audit.flush()
  const entries = (await audit.entries(before, 100)).map(({ event }) => event)
  const common = {
    type: 'refusal',
    actor: '-',
    target: TARGET,
    action: 'certificate',
    outcome: 'refused',
    code: 'KOS_TRANSPORT_VERDICT',
  }
  const detail = { alarm: 'verdicts-differ', ...FOUND }
  assert.deepEqual(entries, [
    { ...common, detail },
    { ...common, detail: { ...detail, openssl: 'INVALID_CA', own: 'ok', purpose: 'server' } },
  ])
})

test('one that comes when the log is closed is told to the daemon’s log', async (context) => {
  const opened = await openTestLog(context)
  await opened.close()
  const told: (readonly [string, LogFields | undefined, string | undefined])[] = []
  const log = {
    event: (name: string, fields?: LogFields, level?: string) =>
      void told.push([name, fields, level]),
  }
  disagreementRecorder(log, opened.audit, TARGET)(FOUND)
  assert.deepEqual(
    told.map(([name, fields, level]) => [name, fields?.['name'], level]),
    [['audit.lost', 'certificate', 'warn']],
  )
})
