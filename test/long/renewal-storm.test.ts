/**
 * Scenario: the authority was away for hours and every node is past its renewal. It comes back: all get
 * their certificate and their session again, no limit of admission is reached, and an operator who asks
 * all the while is answered. `npm run bench -- renewal-storm` does it with a thousand.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { renewalStorm } from '../../bench/suites/renewal-storm.ts'
import { temporaryFolder } from '../kit/temporary.ts'

const NODES = 50

test(`${NODES} nodes renew after an outage, and none is lost`, async (context) => {
  const storm = await renewalStorm(join(temporaryFolder(context), 'fleet'), NODES, 20_000)
  context.diagnostic(`the last renewal came after ${Math.round(storm.lastMs / 1000)} s`)
  assert.equal(storm.missing, 0)
  assert.ok(storm.watched.peakConnections <= storm.limits.connections)
  assert.ok(storm.watched.peakHalfOpen <= storm.limits.halfOpen)
  const longestMs = Math.round(Math.max(...storm.watched.operatorMs))
  context.diagnostic(`an operator waited ${longestMs} ms at most`)
  assert.ok(storm.watched.operatorMs.length > 0)
})
