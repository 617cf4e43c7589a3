/**
 * Scenario: a whole shelf of devices is switched on in the same moment. All of them join, each becomes
 * a device of its own, and the log tells of every one.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { principalList, tokenCreated, tokenList } from '../../src/apps/authority/index.ts'
import {
  type AuthorityClient,
  joinAuthority,
  type Membership,
  openMember,
  openMemberKeys,
  parseAnswer,
} from '../../src/apps/node/index.ts'
import { isRefusal, systemClock, systemRandom, type z } from '../../src/foundation/base/index.ts'
import { type JoinLine, parseJoinLine } from '../../src/lifecycle/enrolment/index.ts'
import { type AuditLine } from '../kit/processes.ts'
import { startFabric, type TestFabric } from '../kit/fabric.ts'

const DEVICES = 64
const PATIENCE_MS = 60_000
const DEPS = { clock: systemClock, random: systemRandom }

test(`${DEVICES} devices join in the same moment`, async (context) => {
  const fabric = await startFabric(context)
  const names = Array.from({ length: DEVICES }, (_, index) => `device-${index}`)
  const lines = await asOperator(fabric, (client) => createTokens(client, names))
  const joined = await Promise.all(lines.map((line, index) => joinDevice(fabric, line, index)))

  assert.deepEqual(
    joined.map(({ name }) => name),
    names,
  )
  const ids = joined.map(({ principal }) => principal.id)
  assert.equal(new Set(ids).size, DEVICES)
  await asOperator(fabric, async (client) => {
    const { principals } = read(await client.request('GET', '/v1/principals'), principalList)
    const devices = principals.filter(({ kind }) => kind === 'device')
    assert.deepEqual(
      devices.map(({ name, id, generation }) => `${name} ${id} ${generation}`).toSorted(),
      joined.map(({ name, principal }) => `${name} ${principal.id} 1`).toSorted(),
    )
    const { tokens } = read(await client.request('GET', '/v1/tokens'), tokenList)
    assert.deepEqual(
      tokens.map(({ name, state }) => `${name} ${state}`).toSorted(),
      names.map((name) => `${name} spent`).toSorted(),
    )
  })
  await checkLog(fabric, ids)
})

async function asOperator<T>(
  fabric: TestFabric,
  work: (client: AuthorityClient) => Promise<T>,
): Promise<T> {
  const member = openMember(DEPS, { folder: fabric.operator })
  assert.ok(member)
  try {
    const client = await member.connectAuthority(PATIENCE_MS)
    try {
      return await work(client)
    } finally {
      client.close()
    }
  } finally {
    member.close()
  }
}

async function createTokens(
  client: AuthorityClient,
  names: readonly string[],
): Promise<readonly JoinLine[]> {
  const lines: JoinLine[] = []
  for (const name of names) {
    const wanted = { name, kind: 'device', profile: 'SEC-2', lifeMs: 600_000 }
    const bytes = Buffer.from(JSON.stringify(wanted))
    const answer = await client.request('POST', '/v1/tokens', { type: 'application/json', bytes })
    const line = parseJoinLine(read(answer, tokenCreated).joinLine)
    assert.ok(!isRefusal(line))
    lines.push(line)
  }
  return lines
}

/** Joins from a folder of its own, as the machine with its own MAC. */
async function joinDevice(fabric: TestFabric, line: JoinLine, index: number): Promise<Membership> {
  const folder = join(fabric.folder, 'devices', String(index))
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const keys = openMemberKeys(DEPS, folder)
  try {
    const mac = Uint8Array.of(2, 0, 0, 0, 0, index)
    const joined = await joinAuthority(DEPS, { folder, keys, line, mac, addresses: [] })
    assert.ok(!isRefusal(joined), JSON.stringify(joined))
    return joined
  } finally {
    keys.close()
  }
}

/** The log is sound and has one successful join of every device. */
async function checkLog(fabric: TestFabric, ids: readonly string[]): Promise<void> {
  const verified = await fabric.kosctl(['audit', 'verify'])
  assert.equal(verified.code, 0, verified.err)
  const count = ['--count', '1000']
  const { out } = await fabric.kosctl(['audit', 'tail', '--all', '--json', ...count])
  const joins = out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditLine)
    .filter(({ action, outcome }) => action === 'join' && outcome === 'ok')
  assert.deepEqual(
    joins.map(({ target }) => target.slice(target.lastIndexOf('/') + 1)).toSorted(),
    ids.toSorted(),
  )
}

function read<T>(answer: Parameters<typeof parseAnswer>[0], schema: z.ZodType<T>): T {
  const value = parseAnswer(answer, schema)
  assert.ok(!isRefusal(value), Buffer.from(answer.body).toString('utf8'))
  return value
}
