/**
 * Scenario: a hall full of devices behind one router is switched on. All have the same join line, and all
 * come from one address, which admission lets in a few at a time: each device waits its turn, and no
 * operator has to do anything.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  joinAuthority,
  joinPatiently,
  type Membership,
  openMemberKeys,
} from '../../src/apps/node/index.ts'
import { type AuthorityOptions } from '../../src/apps/authority/index.ts'
import { isRefusal, systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { type JoinLine, parseJoinLine } from '../../src/lifecycle/enrolment/index.ts'
import { limitsForAddress, requestsForConnections } from '../../src/network/admission/index.ts'
import { startFabric } from '../kit/fabric.ts'

const DEVICES = 200
const DEPS = { clock: systemClock, random: systemRandom }
const WIDER = limitsForAddress(DEVICES)
const CASES: readonly (readonly [what: string, Partial<AuthorityOptions>])[] = [
  ['with the limits as they are', { admission: {} }],
  [
    `with --devices-per-address ${DEVICES}`,
    { admission: WIDER, requestRate: requestsForConnections(WIDER.connectionRate) },
  ],
]

for (const [what, authority] of CASES) {
  test(`${DEVICES} devices behind one address come in by one line, ${what}`, async (context) => {
    const fabric = await startFabric(context, { authority })
    const uses = ['--uses', String(DEVICES), '--name-prefix', 'device-']
    const made = await fabric.kosctl(['token', 'create', ...uses])
    const line = parseJoinLine(made.out)
    assert.ok(!isRefusal(line), made.err)
    const startedMs = systemClock.monotonicMs()
    let pauses = 0
    const joining = Array.from({ length: DEVICES }, (_, index) =>
      joinDevice(join(fabric.folder, 'devices', String(index)), line, () => void pauses++),
    )
    const joined = await Promise.all(joining)
    const seconds = Math.round((systemClock.monotonicMs() - startedMs) / 1000)
    context.diagnostic(`${DEVICES} devices in ${seconds} s, ${pauses} pauses`)

    assert.equal(new Set(joined.map(({ principal }) => principal.id)).size, DEVICES)
    assert.equal(new Set(joined.map(({ name }) => name)).size, DEVICES)
    const shown = await fabric.kosctl(['token', 'list'])
    assert.match(shown.out, new RegExp(`device-… +device +SEC-2 +spent .*${DEVICES}/${DEVICES}`))
    const verified = await fabric.kosctl(['audit', 'verify'])
    assert.equal(verified.code, 0, verified.err)
  })
}

/** Joins from a folder of its own, as `kosd node` does. */
async function joinDevice(
  folder: string,
  line: JoinLine,
  onPause: () => void,
): Promise<Membership> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const keys = openMemberKeys(DEPS, folder)
  try {
    const device = { folder, keys, line, mac: new Uint8Array(6), addresses: [], learned: {} }
    const patience = { forMs: Infinity, whileAway: false, onPause }
    const joined = await joinPatiently(DEPS, patience, () => joinAuthority(DEPS, device))
    assert.ok(!isRefusal(joined), JSON.stringify(joined))
    return joined
  } finally {
    keys.close()
  }
}
