/**
 * Scenario: the manifest of a running node changes again and again while it is called and streams are
 * open. No call is refused for want of a manifest, and each is decided by one manifest: its log shows
 * the rule of one after that of the other, never back.
 */
import assert from 'node:assert/strict'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallResult } from '../../src/network/session/index.ts'
import { type AuditEvent, decodeEntry } from '../../src/trust/audit/index.ts'
import { storedEntries } from '../kit/log-files.ts'
import { openPeerClient } from '../kit/peer-client.ts'
import { Place } from '../kit/processes.ts'

const RELOADS = 6
const STREAMS = 8
/** Below the rate that a node grants one peer. */
const BATCH = 4
const BATCH_MS = 100

/** The only rule that allows something; its name says which manifest it is of. */
const ruleOf = (manifest: number): object => ({
  id: `manifest-${manifest}`,
  effect: 'allow',
  domain: 'rpc',
  from: ['owner'],
  to: ['any'],
  actions: ['echo', 'files.fetch'],
})

test('manifests change under load: no gap, no mixture', async (context) => {
  const place = new Place(context)
  await place.startAuthority()
  await place.changeRules(() => [ruleOf(0)])
  const node = await place.join('camera-1')
  const file = join(place.stateOf('camera-1'), 'share', 'large.bin')
  writeFileSync(file, '')
  truncateSync(file, 64 * 1024 * 1024)
  const client = await openPeerClient(place.config, 'camera-1')
  context.after(() => client.close())
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const streams = Array.from({ length: STREAMS }, () =>
    client.session.call(
      'files.fetch',
      { path: 'share/large.bin', length: 4 * 1024 * 1024 },
      {
        deadlineMs: 25_000,
        onData: () => gate,
      },
    ),
  )
  let isOver = false
  const results: CallResult[] = []
  const load = async (): Promise<void> => {
    for (let number = 0; !isOver; number += BATCH) {
      const batch = Array.from({ length: BATCH }, (_, index) =>
        client.session.call('echo', { value: `${number + index}` }),
      )
      results.push(...(await Promise.all(batch)))
      await sleep(BATCH_MS)
    }
  }
  const loaded = load()
  const applied = (): number => [...node.err.matchAll(/"msg":"policy.manifest.loaded"/g)].length
  for (let manifest = 1; manifest <= RELOADS; manifest += 1) {
    const before = applied()
    await place.changeRules(() => [ruleOf(manifest)])
    await place.eventually('the node has it', () => applied() > before)
    await sleep(BATCH_MS * 2)
  }
  isOver = true
  await loaded
  open()
  for (const { status } of await Promise.all(streams)) assert.equal(status, 'ok')
  const bad = results.filter(({ status }) => status !== 'ok')
  assert.deepEqual(bad, [], 'every call was allowed by one manifest or the other')

  let events: readonly AuditEvent[] = []
  await place.eventually('all calls are in the log', () => {
    events = callsOf(join(place.stateOf('camera-1'), 'node.sqlite'))
    return events.length === results.length + STREAMS * 2
  })
  const rules = events.filter(({ action }) => action === 'echo').map(({ rule }) => rule ?? '-')
  const turns = rules.filter((rule, index) => rule !== rules[index - 1])
  assert.deepEqual(
    turns,
    Array.from({ length: RELOADS + 1 }, (_, manifest) => `fleet/manifest-${manifest}`),
  )
  // What began under the first manifest ends under its rule.
  const streamed = events.filter(({ action }) => action === 'files.fetch')
  assert.deepEqual(new Set(streamed.map(({ rule }) => rule)), new Set(['fleet/manifest-0']))
})

function callsOf(path: string): readonly AuditEvent[] {
  return storedEntries(path)
    .map(({ entry }) => decodeEntry(entry).event)
    .filter((event) => event !== undefined)
    .filter(({ type, action }) => type !== 'session' && /^(echo|files\.fetch)$/.test(action))
}
