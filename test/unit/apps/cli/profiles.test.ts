/** `kosctl profiles` prints the table that everything else asks, and asks nobody. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { main } from '../../../../src/apps/cli/main.ts'
import { PROFILE_NAMES, PROFILES } from '../../../../src/foundation/profiles/index.ts'
import { captureTerminal, testWorld } from '../../../kit/fabric.ts'

const world = testWorld({ config: '/nowhere' })

test('a row per profile', async () => {
  const terminal = captureTerminal()
  assert.equal(await main(['profiles'], terminal, world), 0)
  const [head, ...rows] = terminal.printed.out.trimEnd().split('\n')
  assert.match(head ?? '', /^profile +port +tls +suite +groups +signatures +proof +pins$/)
  assert.deepEqual(
    rows.map((row) => row.split(' ')[0]),
    [...PROFILE_NAMES],
  )
  assert.match(rows[0] ?? '', /^SEC-0 +(?:- +){6}none +-$|^SEC-0 +(?:- +){5}none +-$/)
  assert.match(rows[3] ?? '', /7403 +1\.3 +TLS_AES_256_GCM_SHA384 .* hardware-key +both ways$/)
})

test('as JSON, with who may meet whom', async () => {
  const terminal = captureTerminal()
  assert.equal(await main(['profiles', '--json'], terminal, world), 0)
  const views = JSON.parse(terminal.printed.out) as {
    readonly name: string
    readonly transport: { readonly groups: readonly string[]; readonly tlsVersion: string } | null
    readonly dials: Readonly<Record<string, { readonly may: boolean; readonly listener?: string }>>
    readonly authority: { readonly may: boolean; readonly listener?: string }
  }[]
  assert.deepEqual(
    views.map(({ name }) => name),
    [...PROFILE_NAMES],
  )
  assert.equal(views[0]?.transport, null)
  assert.deepEqual(views[4]?.transport?.groups, PROFILES['SEC-4'].transport?.groups)
  assert.equal(views[4]?.transport?.tlsVersion, '1.3')
  assert.equal(views[2]?.dials['SEC-3']?.listener, 'SEC-3')
  assert.equal(views[1]?.dials['SEC-2']?.may, false)
  assert.equal(views[1]?.authority.listener, 'SEC-1')
})
