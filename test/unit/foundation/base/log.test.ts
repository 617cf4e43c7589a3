import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createLog,
  type LogLevel,
  Secret,
  silentLog,
} from '../../../../src/foundation/base/index.ts'

/** A log at a level, and the lines it wrote. */
function openLog(level: LogLevel): { log: ReturnType<typeof createLog>; lines: () => unknown[] } {
  const written: string[] = []
  const destination = { write: (line: string): void => void written.push(line) }
  const log = createLog({ level, destination, base: { daemon: 'node' } })
  return { log, lines: () => written.map((line) => JSON.parse(line) as unknown) }
}

test('an event is one line with its name, time, level and fields', () => {
  const { log, lines } = openLog('info')
  log.event('session.open', { peer: 'spiffe://a/user/b', count: 2 })
  const [line] = lines() as [{ time: string }]
  assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.deepEqual(lines(), [
    {
      level: 30,
      time: line.time,
      daemon: 'node',
      peer: 'spiffe://a/user/b',
      count: 2,
      msg: 'session.open',
    },
  ])
})

test('levels below the chosen one are dropped', () => {
  const { log, lines } = openLog('warn')
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log.event('x', {}, level)
  assert.deepEqual(
    lines().map((line) => (line as { level: number }).level),
    [40, 50],
  )
})

test('an absent field is left out, a line break cannot forge a line', () => {
  const { log, lines } = openLog('info')
  log.event('x', { rule: undefined, reason: 'a\n{"msg":"forged"}' })
  const [line] = lines() as [Record<string, unknown>]
  assert.ok(!('rule' in line))
  assert.equal(line['reason'], 'a\n{"msg":"forged"}')
})

test('a secret that slips in stays secret', () => {
  const { log, lines } = openLog('info')
  const secret: unknown = Secret.copy(Buffer.from('hunter2'))
  log.event('x', { detail: secret as string })
  assert.equal((lines() as [Record<string, unknown>])[0]['detail'], '[secret]')
})

test('the silent log takes everything and writes nothing', () => {
  assert.equal(silentLog.event('x', { count: 1 }, 'error'), undefined)
})
