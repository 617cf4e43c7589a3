/** Enforcement modules: what they demand, how they are configured, and that they only add refusals. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../../../src/foundation/base/index.ts'
import {
  createEnforcement,
  type Enforcement,
  type EnforcementFacts,
  type EnforcementStage,
} from '../../../../src/foundation/pipeline/index.ts'
import { profileOf } from '../../../../src/foundation/profiles/index.ts'
import {
  createAdmission,
  ENFORCEMENT_MODULES,
  parseEnforcement,
  type RefusalRecord,
} from '../../../../src/network/admission/index.ts'
import { createTestClock, type TestClock } from '../../../kit/clock.ts'

function factsOf(
  sourceAddress = '192.0.2.7',
  profile: 'SEC-2' | 'SEC-3' = 'SEC-2',
): EnforcementFacts {
  const listener = profileOf(profile)
  return { connection: { sourceAddress, sourcePort: 1, listener, direction: 'inbound' } }
}

interface World {
  readonly clock: TestClock
  fips: boolean
  witnessed: boolean
}

function parse(profiles: unknown, world: Partial<World> = {}): Enforcement {
  const clock = world.clock ?? createTestClock()
  const made = parseEnforcement(JSON.stringify({ version: 1, profiles }), {
    clock,
    isFipsInUse: () => world.fips ?? false,
    isAuditWitnessed: () => world.witnessed ?? false,
  })
  assert.ok(!isRefusal(made), JSON.stringify(made))
  return made
}

function ruleOf(
  enforcement: Enforcement,
  stage: EnforcementStage,
  facts = factsOf(),
): string | undefined {
  return enforcement.refuse(stage, facts)?.rule
}

test('time-window: days and hours, in UTC and in a zone with summer time', () => {
  // Friday 2026-07-03.
  const clock = createTestClock(Date.UTC(2026, 6, 3, 5, 59, 59))
  const windows = [{ days: ['mon', 'fri'], from: '08:00', until: '18:00' }]
  const berlin = parse(
    { 'SEC-2': [{ module: 'time-window', zone: 'Europe/Berlin', windows }] },
    { clock },
  )
  const utc = parse({ 'SEC-2': [{ module: 'time-window', windows }] }, { clock })
  const both = (): readonly (string | undefined)[] => [ruleOf(berlin, 'call'), ruleOf(utc, 'call')]
  assert.deepEqual(both(), ['time-window/closed', 'time-window/closed'])
  clock.advance(1000)
  assert.deepEqual(both(), [undefined, 'time-window/closed'])
  clock.setWall(Date.UTC(2026, 6, 3, 15, 59, 59))
  assert.deepEqual(both(), [undefined, undefined])
  clock.setWall(Date.UTC(2026, 6, 3, 16, 0))
  assert.deepEqual(both(), ['time-window/closed', undefined])
  // Winter: an hour less.
  clock.setWall(Date.UTC(2026, 0, 2, 16, 30))
  assert.deepEqual(both(), [undefined, undefined])
  // Saturday.
  clock.setWall(Date.UTC(2026, 6, 4, 10, 0))
  assert.deepEqual(both(), ['time-window/closed', 'time-window/closed'])
  const always = parse({
    'SEC-2': [{ module: 'time-window', windows: [{ from: '00:00', until: '24:00' }] }],
  })
  assert.equal(ruleOf(always, 'call'), undefined)
})

test('source-network: only from one of the networks, IPv4 in IPv6 clothes too', () => {
  const enforcement = parse({
    'SEC-2': [{ module: 'source-network', allow: ['192.0.2.0/24', '2001:db8::/32'] }],
  })
  const from = (address: string): string | undefined =>
    ruleOf(enforcement, 'admission', factsOf(address))
  for (const inside of ['192.0.2.7', '::ffff:192.0.2.9', '2001:db8::1']) {
    assert.equal(from(inside), undefined, inside)
  }
  for (const outside of ['192.0.3.1', '2001:db9::1', 'nonsense', '']) {
    assert.equal(from(outside), 'source-network/outside', outside)
  }
})

test('fips-provider and witness: the probe and the log decide, now', () => {
  const world = { clock: createTestClock(), fips: false, witnessed: false }
  const made = parseEnforcement(
    JSON.stringify({
      version: 1,
      profiles: { 'SEC-3': [{ module: 'fips-provider' }, { module: 'witness' }] },
    }),
    {
      clock: world.clock,
      isFipsInUse: () => world.fips,
      isAuditWitnessed: () => world.witnessed,
    },
  )
  assert.ok(!isRefusal(made))
  const facts = factsOf('192.0.2.7', 'SEC-3')
  assert.equal(ruleOf(made, 'handshake', facts), 'fips-provider/not-in-use')
  assert.equal(ruleOf(made, 'call', facts), 'witness/no-witness')
  world.fips = true
  world.witnessed = true
  assert.equal(ruleOf(made, 'handshake', facts), undefined)
  assert.equal(ruleOf(made, 'call', facts), undefined)
  assert.deepEqual(made.described, ['SEC-3: fips-provider (handshake), witness (call)'])
})

test('modules belong to one profile and one stage', () => {
  const enforcement = parse({ 'SEC-3': [{ module: 'witness', stage: 'handshake' }] })
  assert.equal(
    ruleOf(enforcement, 'handshake', factsOf('192.0.2.7', 'SEC-3')),
    'witness/no-witness',
  )
  assert.equal(ruleOf(enforcement, 'call', factsOf('192.0.2.7', 'SEC-3')), undefined)
  assert.equal(ruleOf(enforcement, 'handshake'), undefined)
})

test('a mistake is named and nothing of the file is in force', () => {
  const entry = { module: 'source-network', allow: ['192.0.2.0/24'] }
  const day = { from: '08:00', until: '18:00' }
  const cases: readonly (readonly [unknown, string])[] = [
    [[], 'value: object'],
    [{ version: 2, profiles: {} }, 'version: 1 is known'],
    [{ version: 1, profiles: {}, modules: [] }, 'unknown modules'],
    [{ version: 1 }, 'profiles: object'],
    [{ version: 1, profiles: { 'SEC-5': [] } }, 'profiles: unknown SEC-5'],
    [{ version: 1, profiles: { 'SEC-2': entry } }, 'profiles.SEC-2: list'],
    [{ version: 1, profiles: { 'SEC-2': ['x'] } }, 'profiles.SEC-2.0: object'],
    [
      { version: 1, profiles: { 'SEC-2': [entry, { module: 'allow-all' }] } },
      'profiles.SEC-2.1.module: unknown allow-all',
    ],
    [
      { version: 1, profiles: { 'SEC-2': [{ module: '\u001b[2J' }] } },
      'profiles.SEC-2.0.module: unknown ?',
    ],
    [
      { version: 1, profiles: { 'SEC-2': [{ ...entry, alow: [] }] } },
      'profiles.SEC-2.0: unknown alow',
    ],
    [
      { version: 1, profiles: { 'SEC-2': [{ ...entry, allow: ['192.0.2.0/33'] }] } },
      'profiles.SEC-2.0.allow: not valid',
    ],
    [
      { version: 1, profiles: { 'SEC-2': [{ ...entry, allow: [] }] } },
      'profiles.SEC-2.0.allow: not valid',
    ],
    [
      { version: 1, profiles: { 'SEC-2': [{ module: 'fips-provider', stage: 'admission' }] } },
      'profiles.SEC-2.0.stage: handshake or call',
    ],
    [
      {
        version: 1,
        profiles: { 'SEC-2': [{ module: 'time-window', zone: 'Mars/Base', windows: [day] }] },
      },
      'profiles.SEC-2.0.zone: not valid',
    ],
    [
      {
        version: 1,
        profiles: { 'SEC-2': [{ module: 'time-window', windows: [{ ...day, until: '07:00' }] }] },
      },
      'profiles.SEC-2.0.windows: not valid',
    ],
    [
      {
        version: 1,
        profiles: { 'SEC-2': [{ module: 'time-window', windows: [{ ...day, day: 'mon' }] }] },
      },
      'profiles.SEC-2.0.windows: not valid',
    ],
    [
      { version: 1, profiles: { 'SEC-2': Array.from({ length: 33 }, () => entry) } },
      'profiles.SEC-2: list',
    ],
  ]
  const ports = { clock: createTestClock(), isFipsInUse: () => true, isAuditWitnessed: () => true }
  for (const [value, rule] of cases) {
    const made = parseEnforcement(JSON.stringify(value), ports)
    assert.ok(isRefusal(made), rule)
    assert.deepEqual([made.code, made.rule], ['KOS_ADMISSION_ENFORCEMENT', rule])
  }
  for (const text of ['', '{', '{"version":1,"version":1,"profiles":{}}', ' '.repeat(70_000)]) {
    assert.ok(isRefusal(parseEnforcement(text, ports)))
  }
})

test('a module that throws refuses; one without an objection decides nothing', () => {
  const enforcement = createEnforcement(
    new Map([
      [
        'SEC-2',
        [
          { name: 'silent', stage: 'call', unmet: () => undefined },
          {
            name: 'broken',
            stage: 'handshake',
            unmet: () => {
              throw new Error('x')
            },
          },
        ],
      ],
    ]),
  )
  assert.equal(ruleOf(enforcement, 'call'), undefined)
  assert.equal(ruleOf(enforcement, 'handshake'), 'broken/failed')
})

test('the registry is data: every module says where it stands and what it demands', () => {
  const names = ENFORCEMENT_MODULES.map(({ name }) => name)
  assert.deepEqual(names, ['time-window', 'source-network', 'fips-provider', 'witness'])
  for (const { demand, stages } of ENFORCEMENT_MODULES) assert.ok(demand && stages.length > 0)
})

test('the gate asks after its own limits, and records module and demand', () => {
  const clock = createTestClock()
  const records: RefusalRecord[] = []
  const enforcement = parse({ 'SEC-2': [{ module: 'source-network', allow: ['192.0.2.0/24'] }] })
  const admission = createAdmission({
    clock,
    enforcement,
    onRefusals: (some) => void records.push(...some),
  })
  const admit = (address: string, profile: 'SEC-2' | 'SEC-3'): string | undefined => {
    const ticket = admission.admit({ address, port: 1, listener: profileOf(profile) })
    return isRefusal(ticket) ? ticket.code : undefined
  }
  assert.equal(admit('192.0.2.1', 'SEC-2'), undefined)
  assert.equal(admit('198.51.100.1', 'SEC-2'), 'KOS_PIPELINE_ENFORCED')
  assert.equal(admit('198.51.100.1', 'SEC-3'), undefined)
  assert.equal(admission.stats.halfOpen, 2)
  admission.flush()
  assert.deepEqual(
    records.map(({ prefix, reason, rule, count }) => [prefix, reason, rule, count]),
    [['198.51.100.1/32', 'KOS_PIPELINE_ENFORCED', 'source-network/outside', 1]],
  )
})
