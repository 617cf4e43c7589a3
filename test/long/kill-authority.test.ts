/**
 * Scenario: the authority is killed at fifty random moments while operators and devices work with it.
 * Whatever it acknowledged is there afterwards, once, and its log verifies.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
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
/** Longest wait before a kill: this, or on a slow machine as long as the work of two steps takes. */
const LONGEST_MS = 400
/** Every so often it dies again while it starts. */
const KILL_START_EVERY = 3
const SEED = 20_261_127
const DEPS = { clock: systemClock, random: systemRandom }

/** A device with its token; its folder holds the keys that it joins with. */
interface Device {
  readonly name: string
  readonly line: string
  readonly token: string
}

/** What the authority said yes to, and what it was asked for without an answer. */
interface Acknowledged {
  readonly tokens: Map<string, string>
  readonly spent: Set<string>
  /** Ids by name; after an unanswered renaming, all names that the device can have. */
  readonly devices: Map<string, readonly string[]>
  /** Labels that may stand: the acknowledged one and those sent since without an answer. */
  labels: string[]
  /** Joins that got no answer: the same again must give one device each. */
  readonly unanswered: Device[]
  renamed: number
  /** Acknowledged changes of principals: labels and names. */
  changes: number
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
    labels: ['none'],
    unanswered: [],
    renamed: 0,
    changes: 0,
  }
  const longestMs = await measureStep({ place, member, acked })
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const client = await member.connectAuthority(5000)
    const untilMs = performance.now() + random.fraction() * longestMs
    const work = workUntilItBreaks({ place, member, acked }, client, kill)
    await sleep(Math.max(0, untilMs - performance.now()))
    await authority.kill()
    await work
    if (kill % KILL_START_EVERY === 0) await killInStart(place, random.fraction() * longestMs)
    authority = await place.startAuthority()
    await check(place, member, acked)
  }
  assert.ok(acked.tokens.size > 0 && acked.devices.size > 0, 'something was acknowledged')
  assert.ok(acked.renamed > 0 && acked.labels[0] !== 'none', 'changes were acknowledged')
  await checkLog(place, acked)
})

async function killInStart(place: Place, afterMs: number): Promise<void> {
  const starting = place.launchAuthority()
  await sleep(afterMs)
  await starting.kill()
}

interface Work {
  readonly place: Place
  readonly member: Member
  readonly acked: Acknowledged
}

/** Tokens, joins and labels in turn, until the connection breaks. */
async function workUntilItBreaks(
  work: Work,
  client: AuthorityClient,
  round: number,
): Promise<void> {
  try {
    for (let step = 0; ; step += 1) await oneStep(work, client, `d${round}-${step}`)
  } catch (error) {
    // Only a lost connection is expected: an assertion must not hide in it.
    if (error instanceof assert.AssertionError) throw error
  } finally {
    client.close()
  }
}

/** Works two steps undisturbed. */
async function measureStep(work: Work): Promise<number> {
  const client = await work.member.connectAuthority(5000)
  const startedMs = performance.now()
  for (const step of [0, 1]) await oneStep(work, client, `d0-${step}`)
  client.close()
  return Math.max(LONGEST_MS, performance.now() - startedMs)
}

async function oneStep(work: Work, client: AuthorityClient, name: string): Promise<void> {
  const { acked, member } = work
  const body = { name, kind: 'device', profile: 'SEC-2', lifeMs: 600_000 }
  const created = read(await client.request('POST', '/v1/tokens', json(body)), tokenCreated)
  acked.tokens.set(created.token.id, name)
  acked.labels.push(name)
  const own = `/v1/principals/${member.membership.name}`
  const patched = await client.request('PATCH', own, json({ labels: { round: name } }))
  assert.equal(patched.status, 200)
  acked.labels = [name]
  acked.changes += 1
  const device = { name, line: created.joinLine, token: created.token.id }
  acked.unanswered.push(device)
  const id = await joinDevice(work, device)
  acked.unanswered.pop()
  await renameDevice(work, client, { id, name })
}

async function renameDevice(
  { acked }: Work,
  client: AuthorityClient,
  { id, name }: { readonly id: string; readonly name: string },
): Promise<void> {
  const next = `${name}-renamed`
  acked.devices.set(id, [name, next])
  const renamed = await client.request('PATCH', `/v1/principals/${name}`, json({ name: next }))
  assert.equal(renamed.status, 200)
  acked.devices.set(id, [next])
  acked.renamed += 1
  acked.changes += 1
}

/** Joins, or joins again with the keys of the folder; the id. */
async function joinDevice({ place, acked }: Work, device: Device): Promise<string> {
  const folder = join(place.folder, 'devices', device.name)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const keys = openMemberKeys(DEPS, folder)
  try {
    const line = parseJoinLine(device.line)
    assert.ok(!isRefusal(line))
    const options = { folder, keys, line, mac: new Uint8Array(6), addresses: [] }
    const joined = await joinAuthority(DEPS, options)
    assert.ok(!isRefusal(joined), 'a fresh token joins')
    const { id } = joined.principal
    acked.devices.set(id, [device.name])
    acked.spent.add(device.token)
    return id
  } finally {
    keys.close()
  }
}

async function check(place: Place, member: Member, acked: Acknowledged): Promise<void> {
  for (const device of acked.unanswered.splice(0))
    await joinDevice({ place, member, acked }, device)
  const client = await member.connectAuthority(5000)
  try {
    const { tokens } = read(await client.request('GET', '/v1/tokens'), tokenList)
    const states = new Map(tokens.map(({ id, state }) => [id, state]))
    for (const [id, name] of acked.tokens) assert.ok(states.has(id), `token of ${name} is there`)
    for (const id of acked.spent) assert.equal(states.get(id), 'spent')
    const { principals } = read(await client.request('GET', '/v1/principals'), principalList)
    for (const [id, names] of acked.devices) {
      const found = principals.filter((one) => one.id === id || names.includes(one.name))
      assert.equal(found.length, 1, `${names.join(' or ')} is there once`)
      assert.equal(found[0]?.id, id)
      assert.ok(names.includes(found[0].name), `${found[0].name} is acknowledged`)
    }
    const devices = principals.filter(({ kind }) => kind === 'device')
    assert.equal(devices.length, acked.devices.size, 'no other device has joined')
    const own = principals.find(({ name }) => name === member.membership.name)
    const label = own?.labels['round'] ?? 'none'
    assert.ok(acked.labels.includes(label), `${label} is one of ${acked.labels.join(', ')}`)
  } finally {
    client.close()
  }
  await place.verifyAudit()
}

/** Every acknowledged token, join and change has its entry. */
async function checkLog(place: Place, acked: Acknowledged): Promise<void> {
  const file = join(place.stateOf('authority'), 'authority.sqlite')
  assert.match(await place.done('audit', 'verify', '--file', file), /^verified$/m)
  const entries = await wholeLog(place)
  checkIntents(entries)
  const done = entries.filter(({ outcome }) => outcome === 'ok')
  const created = new Set(
    done.filter(({ action }) => action === 'token.create').map(({ target }) => target),
  )
  for (const name of acked.tokens.values()) assert.ok(created.has(name), `${name} is recorded`)
  const changed = done.filter(({ action }) => action === 'device.change')
  assert.ok(changed.length >= acked.changes, `${changed.length} of ${acked.changes} changes`)
  const joined = new Set(done.filter(({ action }) => action === 'join').map(({ target }) => target))
  for (const id of acked.devices.keys()) {
    assert.ok(
      [...joined].some((target) => target.endsWith(`/${id}`)),
      'a join is recorded',
    )
  }
}

/** Every change and join that began has an end, be it that a kill cut it off. */
function checkIntents(entries: readonly AuditLine[]): void {
  const open = new Map<string, number>()
  for (const { type, action, target, outcome, source, detail } of entries) {
    if (source !== undefined || (type !== 'admin' && type !== 'enrolment')) continue
    const key = `${action} ${String(detail?.['token'] ?? target)}`
    const before = open.get(key) ?? 0
    // A join that is repeated has another end, but no intent.
    open.set(key, outcome === 'intent' ? before + 1 : Math.max(0, before - 1))
  }
  assert.deepEqual(
    [...open].filter(([, count]) => count > 0),
    [],
    'intents without an end',
  )
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
