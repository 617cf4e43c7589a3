/**
 * Attack: a stranger floods the alert intake. What it keeps stays small, nothing reaches the disk or the
 * audit log, and everybody else is served.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ALERT_INTAKE_LIMITS, createAlertIntake } from '../../src/apps/authority/alert-intake.ts'
import { encodeAlert } from '../../src/apps/node/index.ts'
import { createTestClock } from '../kit/clock.ts'
import { startFabric } from '../kit/fabric.ts'

const TEXT = 'x'.repeat(1024)

function filesOf(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** The authority's own work goes on meanwhile: only what the flood could leave is counted. */
function filesWithText(folder: string): readonly string[] {
  return filesOf(folder).filter((path) => readFileSync(path).includes(TEXT.slice(0, 64)))
}

test('a flood over HTTPS leaves disk and audit log alone, and others are answered', async (context) => {
  const fabric = await startFabric(context)
  const auditSize = async (): Promise<number> => {
    const ran = await fabric.kosctl(['audit', 'tail', '--all', '--json', '--count', '1000'])
    return ran.out.split('\n').filter((line) => line.includes('/v1/alerts')).length
  }
  await fabric.kosctl(['devices'])
  const body = Buffer.from(encodeAlert({ kind: 'flood', text: TEXT, time: 1 }))
  const statuses = new Map<number, number>()
  for (let round = 0; round < 15; round++) {
    const sent = Array.from({ length: 10 }, () =>
      fabric.request({ method: 'POST', path: '/v1/alerts', body }),
    )
    for (const { status } of await Promise.all(sent)) {
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  // The burst was taken, everything after it refused.
  assert.equal(statuses.get(201), ALERT_INTAKE_LIMITS.perSource.burst)
  assert.equal(statuses.get(429), 150 - ALERT_INTAKE_LIMITS.perSource.burst)
  assert.ok(filesOf(fabric.stateFolder).length > 0)
  assert.deepEqual(filesWithText(fabric.stateFolder), [])
  assert.equal(await auditSize(), 0)
  const health = await fabric.request({ method: 'GET', path: '/v1/health' })
  assert.equal(health.status, 200)
  const shown = await fabric.kosctl(['alerts'])
  assert.equal(shown.code, 0)
  assert.match(shown.err, /0 dropped, 142 refused/)
})

test('a flood from ten thousand addresses over hours stays within the ring', () => {
  const clock = createTestClock()
  const intake = createAlertIntake({ clock, findKey: () => undefined })
  const quiet = encodeAlert({ kind: 'smoke', text: 'smoke in the cellar', time: 1 })
  assert.equal(intake.take(quiet, '203.0.113.7'), undefined)
  const body = encodeAlert({ kind: 'flood', text: TEXT, time: 1 })
  for (let turn = 0; turn < 10_000; turn++) {
    clock.advance(60)
    intake.take(body, `10.${turn % 5}.${(turn >> 8) & 255}.${turn & 255}`)
    // Many come from one address.
    intake.take(body, '10.9.9.9')
  }
  const { alerts, dropped, refused } = intake.list(0)
  const bytes = alerts.reduce((sum, alert) => sum + Buffer.byteLength(JSON.stringify(alert)), 0)
  assert.ok(alerts.length <= ALERT_INTAKE_LIMITS.maxAlerts)
  assert.ok(bytes <= 2 * ALERT_INTAKE_LIMITS.maxBytes)
  assert.equal(alerts.length + dropped + refused, 20_001)
})

test('one loud address does not push out what another device had to say', () => {
  const clock = createTestClock()
  const intake = createAlertIntake({ clock, findKey: () => undefined })
  const quiet = encodeAlert({ kind: 'smoke', text: 'smoke in the cellar', time: 1 })
  assert.equal(intake.take(quiet, '203.0.113.7'), undefined)
  const body = encodeAlert({ kind: 'flood', text: TEXT, time: 1 })
  for (let turn = 0; turn < 2000; turn++) {
    clock.advance(15_000)
    intake.take(body, '10.9.9.9')
  }
  const { alerts, dropped } = intake.list(0)
  assert.ok(dropped > 0)
  assert.equal(alerts[0]?.text, 'smoke in the cellar')
})
