import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDeviceList } from '../../../../src/apps/cli/batch-rows.ts'
import { formatCsv, MAX_CSV_BYTES, parseCsv } from '../../../../src/apps/cli/csv.ts'

const read = (text: string): unknown => parseCsv(Buffer.from(text))

test('rows, with quotes, either end of line, and the line that they begin on', () => {
  assert.deepEqual(read('a,b\r\n"1","x ""y"", z"\r\n,\n"two\nlines",2\nlast,3'), [
    { line: 1, fields: ['a', 'b'] },
    { line: 2, fields: ['1', 'x "y", z'] },
    { line: 3, fields: ['', ''] },
    { line: 4, fields: ['two\nlines', '2'] },
    { line: 6, fields: ['last', '3'] },
  ])
  assert.deepEqual(read(''), [])
  assert.deepEqual(read('\ufeffname\na\n'), [
    { line: 1, fields: ['name'] },
    { line: 2, fields: ['a'] },
  ])
})

test('what is not CSV is refused with its line', () => {
  const cases: readonly (readonly [text: string, line: number, reason: RegExp])[] = [
    ['a,b\n1', 2, /1 fields, the header has 2/],
    ['a\nb"c\n', 2, /quote inside a field/],
    ['a\n"b"c\n', 2, /follows the quote/],
    ['a\n"b"\rc\n', 2, /follows the quote/],
    ['a\n"b\n\n', 2, /has no end/],
    ['a\rb\n', 1, /carriage return/],
    ['a\n\u0000\n', 2, /control character/],
    ['a\n"\u001b[31m"\n', 2, /control character/],
  ]
  for (const [text, line, reason] of cases) {
    const problem = parseCsv(Buffer.from(text))
    assert.ok('reason' in problem, text)
    assert.equal(problem.line, line, text)
    assert.match(problem.reason, reason)
  }
  const latin1 = parseCsv(Uint8Array.of(0x61, 0xe4, 0x0a))
  assert.deepEqual(latin1, { line: 1, reason: 'the file is not UTF-8' })
  const large = parseCsv(new Uint8Array(MAX_CSV_BYTES + 1).fill(0x61))
  assert.deepEqual(large, { line: 1, reason: 'the file is larger than 1 MiB' })
})

test('what is written is read back', () => {
  const rows = [
    ['name', 'join-line'],
    ['a"b', 'c,d\r\ne'],
  ]
  const read = parseCsv(Buffer.from(formatCsv(rows)))
  assert.ok(!('reason' in read))
  assert.deepEqual(
    read.map(({ fields }) => fields),
    rows,
  )
})

test('a list of devices has columns in any order, and defaults', () => {
  const text =
    'labels,name,groups,kind,owner,profile\nsite=north;floor=2,camera-1,a;b,agent,bob,SEC-2\n,door,,,,\n'
  assert.deepEqual(readDeviceList(Buffer.from(text)), [
    {
      line: 2,
      device: {
        name: 'camera-1',
        kind: 'agent',
        profile: 'SEC-2',
        owner: 'bob',
        groups: ['a', 'b'],
        labels: { site: 'north', floor: '2' },
      },
    },
    {
      line: 3,
      device: { name: 'door', kind: 'device', profile: 'SEC-2', groups: [], labels: {} },
    },
  ])
})

test('every row of a list that is unfit is named', () => {
  const problems = (text: string): readonly string[] => {
    const listed = readDeviceList(Buffer.from(text))
    assert.ok('problems' in listed, text)
    return listed.problems.map(({ line, reason }) => `${line}: ${reason}`)
  }
  assert.deepEqual(problems(''), ['1: the file is empty'])
  assert.deepEqual(problems('name\n'), ['2: there is no device'])
  assert.deepEqual(problems('name,name\na,b\n'), ['1: the column name stands twice'])
  assert.deepEqual(problems('profile\nSEC-2\n'), ['1: the column name is missing'])
  assert.match(problems('Name\na\n')[0] ?? '', /^1: no column "Name": the columns are name, /)
  assert.match(problems(`name\n${'a\n'.repeat(1001)}`)[0] ?? '', /^1002: more than 1000 devices$/)
  const rows = [
    'name,profile,kind,labels',
    ',,,',
    'a,SEC-9,,',
    'b,,user,',
    'c,,,site',
    'd,,,a=1;a=2',
    'e,,,',
    `${'f'.repeat(64)},,,`,
  ]
  assert.deepEqual(problems(rows.join('\n')), [
    '2: a name has 1 to 63 characters',
    '3: the profile is SEC-1 to SEC-4',
    '4: the kind is device or agent',
    '5: labels are like site=north;floor=2',
    '6: labels are like site=north;floor=2',
    '8: a name has 1 to 63 characters',
  ])
})
