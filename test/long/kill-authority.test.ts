/**
 * Scenario: the authority is killed at fifty random moments while operators and devices work with it.
 * Whatever it acknowledged is there afterwards, once, and its log verifies.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type AuthorityClient,
  joinAuthority,
  type Member,
  openMember,
  openMemberKeys,
  parseAnswer,
} from '../../src/apps/node/index.ts'
import { principalList, tokenCreated, tokenList } from '../../src/apps/authority/index.ts'
import { isRefusal, systemClock, systemRandom, type z } from '../../src/foundation/base/index.ts'
import { parseJoinLine } from '../../src/lifecycle/enrolment/index.ts'
import { type AuditLine, Place } from '../kit/processes.ts'
import { createTestRandom } from '../kit/random.ts'

const KILLS = 50
const CHECK_EVERY = 10
const LONGEST_MS = 400
const SEED = 20_261_127
const DEPS = { clock: systemClock, random: systemRandom }

/** What the authority said yes to, and the one change whose answer was lost. */
interface Acknowledged {
  readonly tokens: Map<string, string>
  readonly spent: Set<string>
  readonly devices: Map<string, string>
  label: string
  labelInFlight: string
}

test(`fifty kills lose nothing (seed ${SEED})`, async (context) => {
  const place = new Place(context)
  const random = createTestRandom(String(SEED))
  let authority = await place.startAuthority()
  const member = openMember(DEPS, { folder: place.config })
  assert.ok(member)
  context.after(() => member.close())
  const acked: Acknowledged = {
    tokens: new Map(),
    spent: new Set(),
    devices: new Map(),
    label: 'none',
    labelInFlight: 'none',
  }
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const untilMs = performance.now() + random.fraction() * LONGEST_MS
    const work = workUntilItBreaks({ place, member, acked }, kill)
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, untilMs - performance.now())))
    await authority.kill()
    await work
    authority = await place.startAuthority()
    if (kill % CHECK_EVERY === 0) await check(place, member, acked)
  }
  assert.ok(acked.tokens.size > 0 && acked.devices.size > 0, 'something was acknowledged')
  await checkLog(place, acked)
})

interface Work {
  readonly place: Place
  readonly member: Member
  readonly acked: Acknowledged
}

/** Tokens, joins and labels in turn, until the connection breaks. */
async function workUntilItBreaks(work: Work, round: number): Promise<void> {
  try {
    const client = await work.member.connectAuthority(5000)
    try {
      for (let step = 0; ; step += 1) await oneStep(work, client, `d${round}-${step}`)
    } finally {
      client.close()
    }
  } catch (error) {
    // Only a lost connection is expected: an assertion must not hide in it.
    if (error instanceof assert.AssertionError) throw error
  }
}

async function oneStep(work: Work, client: AuthorityClient, name: string): Promise<void> {
  const { acked, member } = work
  const body = { name, kind: 'device', profile: 'SEC-2', lifeMs: 600_000 }
  const created = read(await client.request('POST', '/v1/tokens', json(body)), tokenCreated)
  acked.tokens.set(created.token.id, name)
  acked.labelInFlight = name
  const own = `/v1/principals/${member.membership.name}`
  const patched = await client.request('PATCH', own, json({ labels: { round: name } }))
  assert.equal(patched.status, 200)
  acked.label = name
  await joinDevice(work, { name, line: created.joinLine, token: created.token.id })
}

async function joinDevice(
  { place, acked }: Work,
  device: { readonly name: string; readonly line: string; readonly token: string },
): Promise<void> {
  const folder = join(place.folder, 'devices', device.name)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const keys = openMemberKeys(DEPS, folder)
  try {
    const line = parseJoinLine(device.line)
    assert.ok(!isRefusal(line))
    const options = { folder, keys, line, mac: new Uint8Array(6), addresses: [] }
    const joined = await joinAuthority(DEPS, options)
    assert.ok(!isRefusal(joined), 'a fresh token joins')
    acked.devices.set(device.name, joined.principal.id)
    acked.spent.add(device.token)
  } finally {
    keys.close()
  }
}

async function check(place: Place, member: Member, acked: Acknowledged): Promise<void> {
  const client = await member.connectAuthority(5000)
  try {
    const { tokens } = read(await client.request('GET', '/v1/tokens'), tokenList)
    const states = new Map(tokens.map(({ id, state }) => [id, state]))
    for (const [id, name] of acked.tokens) assert.ok(states.has(id), `token of ${name} is there`)
    for (const id of acked.spent) assert.equal(states.get(id), 'spent')
    const { principals } = read(await client.request('GET', '/v1/principals'), principalList)
    for (const [name, id] of acked.devices) {
      const found = principals.filter((principal) => principal.name === name)
      assert.deepEqual(
        found.map((principal) => principal.id),
        [id],
      )
    }
    const own = principals.find(({ name }) => name === member.membership.name)
    const label = own?.labels['round'] ?? 'none'
    assert.ok([acked.label, acked.labelInFlight].includes(label), `${label} was acknowledged`)
  } finally {
    client.close()
  }
  await place.verifyAudit()
}

/** Every acknowledged token and join has its entry. */
async function checkLog(place: Place, acked: Acknowledged): Promise<void> {
  const file = join(place.stateOf('authority'), 'authority.sqlite')
  assert.match(await place.done('audit', 'verify', '--file', file), /^verified$/m)
  const entries = await wholeLog(place)
  const done = entries.filter(({ outcome }) => outcome === 'ok')
  const created = new Set(
    done.filter(({ action }) => action === 'token.create').map(({ target }) => target),
  )
  for (const name of acked.tokens.values()) assert.ok(created.has(name), `${name} is recorded`)
  const joined = new Set(done.filter(({ action }) => action === 'join').map(({ target }) => target))
  for (const id of acked.devices.values()) {
    assert.ok(
      [...joined].some((target) => target.endsWith(`/${id}`)),
      'a join is recorded',
    )
  }
}

async function wholeLog(place: Place): Promise<readonly AuditLine[]> {
  const member = openMember(DEPS, { folder: place.config })
  assert.ok(member)
  try {
    const client = await member.connectAuthority(5000)
    const entries: AuditLine[] = []
    try {
      for (;;) {
        const answer = await client.request('GET', `/v1/audit?from=${entries.length}&limit=1000`)
        const page = JSON.parse(Buffer.from(answer.body).toString('utf8')) as {
          entries: AuditLine[]
        }
        if (page.entries.length === 0) return entries
        entries.push(...page.entries)
      }
    } finally {
      client.close()
    }
  } finally {
    member.close()
  }
}

function json(value: unknown): { type: 'application/json'; bytes: Uint8Array } {
  return { type: 'application/json', bytes: Buffer.from(JSON.stringify(value)) }
}

function read<T>(answer: Parameters<typeof parseAnswer>[0], schema: z.ZodType<T>): T {
  const value = parseAnswer(answer, schema)
  assert.ok(!isRefusal(value), Buffer.from(answer.body).toString('utf8'))
  return value
}
