/** Alerts of devices without a session: form, trust, bounds, and how operators read them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, Secret } from '../../../../src/foundation/base/index.ts'
import {
  ALERT_INTAKE_LIMITS,
  type AlertIntake,
  createAlertIntake,
} from '../../../../src/apps/authority/alert-intake.ts'
import { createAlertRing } from '../../../../src/apps/authority/alert-ring.ts'
import { encodeAlert, macAlert, parseAlert } from '../../../../src/apps/node/alert.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { startFabric } from '../../../kit/fabric.ts'

const ALERT = { kind: 'join-request', text: 'cellar asks to join', time: 1_800_000_000_000 }

test('an alert is strict: a word, one line of text, a name, a time', () => {
  assert.deepEqual(parseAlert(encodeAlert({ ...ALERT, device: 'cellar' })), {
    ...ALERT,
    device: 'cellar',
  })
  const bad: readonly unknown[] = [
    {},
    { ...ALERT, kind: 'Join Request' },
    { ...ALERT, kind: 'x'.repeat(33) },
    { ...ALERT, text: '' },
    { ...ALERT, text: 'a\nb' },
    { ...ALERT, text: 'a\u001b[2Jb' },
    { ...ALERT, text: 'a\u009bb' },
    { ...ALERT, text: 'a\u202eb' },
    { ...ALERT, text: 'é'.repeat(513) },
    { ...ALERT, device: 'a b' },
    { ...ALERT, device: '' },
    { ...ALERT, time: -1 },
    { ...ALERT, time: 1.5 },
    { ...ALERT, more: 1 },
    { ...ALERT, mac: { key: 'k', tag: 'short' } },
    [ALERT],
  ]
  for (const value of bad) {
    const parsed = parseAlert(Buffer.from(JSON.stringify(value)))
    assert.ok(isRefusal(parsed), JSON.stringify(value))
  }
  assert.ok(!isRefusal(parseAlert(encodeAlert({ ...ALERT, text: 'é'.repeat(512) }))))
  assert.ok(isRefusal(parseAlert(Uint8Array.of(0x7b, 0xff, 0x7d))))
  const twice = Buffer.from('{"kind":"a","kind":"b","text":"x","time":1}')
  assert.ok(isRefusal(parseAlert(twice)))
})

const URI = 'spiffe://kos.internal/device/kdev-a'

function intakeOf(): {
  readonly intake: AlertIntake
  readonly clock: ReturnType<typeof createTestClock>
} {
  const clock = createTestClock(ALERT.time)
  const findKey = (key: string): { uri: string; secret: Secret } | undefined =>
    key === 'AQID' ? { uri: URI, secret: Secret.take(new Uint8Array(32).fill(7)) } : undefined
  return { intake: createAlertIntake({ clock, findKey }), clock }
}

test('a MAC by a former key attributes, and proves nothing more', () => {
  const { intake } = intakeOf()
  const handle = Uint8Array.of(1, 2, 3)
  const signed = macAlert(ALERT, { handle, secret: Secret.take(new Uint8Array(32).fill(7)) })
  const other = macAlert(ALERT, { handle, secret: Secret.take(new Uint8Array(32).fill(8)) })
  const old = macAlert(
    { ...ALERT, time: ALERT.time - 300_001 },
    { handle, secret: Secret.take(new Uint8Array(32).fill(7)) },
  )
  const sent = [ALERT, signed, { ...signed, text: 'changed' }, other, old]
  for (const alert of sent) assert.equal(intake.take(encodeAlert(alert), '192.0.2.1'), undefined)
  assert.deepEqual(
    intake.list(0).alerts.map(({ trust, attributedTo }) => [trust, attributedTo]),
    [
      ['unauthenticated', undefined],
      ['attributed, unverified', URI],
      ['unauthenticated', undefined],
      ['unauthenticated', undefined],
      ['unauthenticated', undefined],
    ],
  )
  assert.deepEqual(
    intake.list(4).alerts.map(({ number }) => number),
    [5],
  )
})

test('a source has a burst and an hourly budget; all together have one too', () => {
  const { intake, clock } = intakeOf()
  const take = (source: string): string | undefined => intake.take(encodeAlert(ALERT), source)?.rule
  for (let count = 0; count < 8; count++) assert.equal(take('192.0.2.1'), undefined)
  assert.equal(take('192.0.2.1'), 'alerts/rate-source')
  // An IPv6 /64 is one source, and an IPv4 address in IPv6 clothes is itself.
  for (let count = 1; count < 9; count++) assert.equal(take(`2001:db8::${count}`), undefined)
  assert.equal(take('2001:db8::9'), 'alerts/rate-source')
  assert.equal(take('::ffff:192.0.2.1'), 'alerts/rate-source')
  let taken = 16
  for (let host = 1; host < 255; host++) if (take(`198.51.100.${host}`) === undefined) taken++
  assert.equal(taken, ALERT_INTAKE_LIMITS.total.burst)
  assert.equal(take('203.0.113.1'), 'alerts/rate-total')
  clock.advance(60_000)
  assert.equal(take('203.0.113.1'), undefined)
  assert.equal(intake.list(0).alerts.length, taken + 1)
})

test('a full ring drops the oldest of whoever holds most of it', () => {
  const ring = createAlertRing({ maxAlerts: 4, maxBytes: 10_000 })
  const from = (source: string, text: string): void =>
    ring.add({
      ...ALERT,
      text,
      source,
      prefix: `${source}/32`,
      receivedAt: 1,
      trust: 'unauthenticated',
    })
  from('192.0.2.1', 'first')
  for (let count = 0; count < 50; count++) from('192.0.2.2', `flood ${count}`)
  assert.deepEqual(
    ring.after(0).map(({ text }) => text),
    ['first', 'flood 47', 'flood 48', 'flood 49'],
  )
  assert.equal(ring.dropped, 47)
  for (let count = 0; count < 20; count++) from('192.0.2.2', 'x'.repeat(1024))
  assert.ok(ring.bytes <= 10_000)
})

test('operators read alerts; viewers and strangers do not', async (context) => {
  const fabric = await startFabric(context)
  const { olaf = '', vera = '' } = await fabric.addUsers({ olaf: ['operator'], vera: ['viewer'] })
  const body = Buffer.from(encodeAlert({ ...ALERT, device: 'cellar', time: fabric.clock.wallMs() }))
  const sent = await fabric.request({ method: 'POST', path: '/v1/alerts', body })
  assert.deepEqual([sent.status, sent.text], [201, '{"taken":true}'])
  const stranger = await fabric.request({ method: 'GET', path: '/v1/alerts' })
  assert.equal(stranger.status, 403)
  const viewer = await fabric.kosctl(['alerts'], { config: vera })
  assert.equal(viewer.code, 3)
  const shown = await fabric.kosctl(['alerts'], { config: olaf })
  assert.equal(shown.code, 0)
  assert.match(
    shown.out,
    /^RECEIVED .*\n\S.* 127\.0\.0\.1 +unauthenticated +cellar +join-request +cellar asks to join\n$/,
  )
  const json = await fabric.kosctl(['alerts', '--json'])
  const list = JSON.parse(json.out) as { alerts: { text: string; number: number }[] }
  assert.deepEqual(
    list.alerts.map(({ text, number }) => [number, text]),
    [[1, ALERT.text]],
  )
  const odd = await fabric.request({
    method: 'GET',
    path: '/v1/alerts?after=x',
    as: fabric.operator,
  })
  assert.deepEqual([odd.status, odd.rule], [400, 'query/after'])
})

test('a device that was removed is named by its last token', async (context) => {
  const fabric = await startFabric(context)
  const { folder, running } = await fabric.addNode('camera-1')
  const token = await fabric.token(folder)
  const { uri } = running.member.membership.principal
  assert.equal((await fabric.kosctl(['devices', 'remove', 'camera-1'])).code, 0)
  const alert = macAlert({ ...ALERT, time: fabric.clock.wallMs() }, token)
  const body = Buffer.from(encodeAlert(alert))
  assert.equal((await fabric.request({ method: 'POST', path: '/v1/alerts', body })).status, 201)
  const shown = await fabric.kosctl(['alerts'])
  assert.ok(shown.out.includes(`attributed, unverified: ${uri}`), shown.out)
})

test('--follow goes on with new alerts', async (context) => {
  const fabric = await startFabric(context)
  const { captureTerminal, eventually } = await import('../../../kit/fabric.ts')
  const stop = new AbortController()
  const terminal = captureTerminal()
  const following = fabric.kosctl(['alerts', '--follow'], { terminal, signal: stop.signal })
  for (const text of ['one', 'two']) {
    const body = Buffer.from(encodeAlert({ ...ALERT, text }))
    await fabric.request({ method: 'POST', path: '/v1/alerts', body })
    await eventually(() => terminal.printed.out.includes(`join-request  ${text}`), text)
  }
  stop.abort()
  assert.equal((await following).code, 0)
  assert.equal(terminal.printed.out.match(/ one$/gm)?.length, 1)
})
