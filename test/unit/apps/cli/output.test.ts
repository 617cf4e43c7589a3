/** What is printed, and how: tables, times, colours, refusals, errors. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refuse } from '../../../../src/foundation/base/index.ts'
import { cliErrors } from '../../../../src/apps/cli/errors.ts'
import {
  duration,
  EXIT,
  exitCodeOf,
  harmlessJson,
  paint,
  parseDuration,
  printable,
  printError,
  printFields,
  printJson,
  printRefusal,
  printTable,
  relativeTime,
} from '../../../../src/apps/cli/output.ts'
import { processTerminal } from '../../../../src/apps/cli/process-terminal.ts'
import { nodeErrors } from '../../../../src/apps/node/index.ts'
import { captureTerminal } from '../../../kit/fabric.ts'

test('tables are aligned and end where their text ends', () => {
  const terminal = captureTerminal()
  printTable(
    terminal,
    ['A', 'LONG HEAD'],
    [
      ['wide cell', 'x'],
      ['y', ''],
      ['\u001b[2J', 'z'],
    ],
  )
  assert.equal(terminal.printed.out, 'A          LONG HEAD\nwide cell  x\ny\n?[2J       z\n')
})

test('fields, colours only where a terminal shows them', () => {
  const plain = captureTerminal()
  printFields(plain, [
    ['a', '1'],
    ['longer', '2'],
  ])
  assert.equal(plain.printed.out, 'a       1\nlonger  2\n')
  assert.equal(paint(plain, 'red', 'x'), 'x')
  assert.equal(paint(captureTerminal({ colour: true }), 'red', 'x'), '\u001b[31mx\u001b[39m')
})

test('JSON of what JSON does not know, without control characters', () => {
  const terminal = captureTerminal()
  printJson(terminal, { bytes: Uint8Array.of(1, 2), big: 2n ** 64n, map: new Map([['a', 1]]) })
  assert.deepEqual(JSON.parse(terminal.printed.out), {
    bytes: 'AQI=',
    big: '18446744073709551616',
    map: { a: 1 },
  })
  assert.equal(harmlessJson('"\u009b\u202e"'), '"\\u009b\\u202e"')
  assert.equal(printable('a\tb\u007fc'), 'a?b?c')
})

test('refusals say rule, code, remedy and when to come back', () => {
  const terminal = captureTerminal()
  const extra = { remedy: 'Ask.', retryAfterMs: 20 }
  printRefusal(terminal, 'that', refuse('KOS_CLI_USAGE', 'fleet/x', extra))
  assert.equal(
    terminal.printed.err,
    'refused  that\n  rule    fleet/x\n  code    KOS_CLI_USAGE\n  remedy  Ask.\n  retry   in 20 ms\n',
  )
})

test('errors are one sentence, details and the next step', () => {
  const print = (error: unknown): string => {
    const terminal = captureTerminal()
    printError(terminal, error)
    return terminal.printed.err
  }
  assert.equal(
    print(cliErrors.error('KOS_CLI_UNKNOWN_PEER', { name: 'x\u001b' })),
    'error  No peer of this name stands in the directory. (KOS_CLI_UNKNOWN_PEER)\n' +
      '  name  x?\n  List the names with "kosctl devices".\n',
  )
  assert.equal(print(new TypeError('odd\u0007')), 'error  odd?\n')
  assert.equal(print('text'), 'error  text\n')
  const denied = Object.assign(new Error('EACCES: x'), { syscall: 'open', code: 'EACCES' })
  assert.match(
    print(denied),
    /^error {2}A file or folder cannot be used\. .*\n {2}reason {2}EACCES/,
  )
})

test('exit codes', () => {
  const cases: readonly (readonly [error: unknown, code: number])[] = [
    [cliErrors.error('KOS_CLI_USAGE'), EXIT.usage],
    [cliErrors.error('KOS_CLI_UNREACHABLE'), EXIT.unreachable],
    [cliErrors.error('KOS_CLI_CREDENTIAL'), EXIT.failed],
    [nodeErrors.error('KOS_NODE_AUTHORITY_UNREACHABLE'), EXIT.unreachable],
    [nodeErrors.error('KOS_NODE_AUTHORITY_UNTRUSTED'), EXIT.unverified],
    [nodeErrors.error('KOS_NODE_REFUSED'), EXIT.refused],
    [new Error('x'), EXIT.failed],
    ['x', EXIT.failed],
  ]
  for (const [error, code] of cases) assert.equal(exitCodeOf(error), code)
})

test('times as people say them', () => {
  assert.equal(relativeTime(undefined, 0), '-')
  assert.equal(relativeTime(5000, 0), 'in 5 s')
  assert.equal(relativeTime(0, 180_000), '3 min ago')
  const units: readonly (readonly [number, string])[] = [
    [999, '999 ms'],
    [119_000, '119 s'],
    [120_000, '2 min'],
    [7_200_000, '2 h'],
    [172_800_000, '2 d'],
  ]
  for (const [ms, text] of units) assert.equal(duration(ms), text)
})

test('durations are read strictly', () => {
  const good = { '5ms': 5, '90s': 90_000, '10m': 600_000, '2h': 7_200_000, '1d': 86_400_000 }
  for (const [text, ms] of Object.entries(good)) assert.equal(parseDuration(text), ms)
  for (const text of ['', '5', 's', '-5s', '1.5s', '5 s', '1234567s', '5w']) {
    assert.equal(parseDuration(text), undefined, text)
  }
})

test('the terminal of this process is no terminal under test', () => {
  const { colour, interactive } = processTerminal()
  assert.deepEqual([Boolean(colour), Boolean(interactive)], [false, false])
})
