/**
 * Scenario: the intermediate CA is replaced, prepare to revoke, while every node has its session open: none
 * of them is lost, all hold the new chain at the end, and an operator who asks all the while is answered.
 * `npm run bench -- ca-rotation` does it with a thousand.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { caRotation } from '../../bench/suites/ca-rotation.ts'
import { temporaryFolder } from '../kit/temporary.ts'

const NODES = 50
/** Nodes spread their renewals over ten minutes otherwise. */
const SPREAD_MS = 5000

test(`the intermediate is replaced below ${NODES} connected nodes`, async (context) => {
  const folder = join(temporaryFolder(context), 'fleet')
  const rotation = await caRotation(folder, NODES, SPREAD_MS)
  context.diagnostic(`all held the new chain after ${Math.round(rotation.renewedMs)} ms`)
  assert.equal(rotation.lost, 0)
  const longestMs = Math.round(Math.max(...rotation.watched.operatorMs))
  context.diagnostic(`an operator waited ${longestMs} ms at most`)
  assert.ok(rotation.watched.operatorMs.length > 0)
})
