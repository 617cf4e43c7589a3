/** CSV files: what is written is read back; any other bytes are refused with a line, never an error. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readDeviceList } from '../../src/apps/cli/batch-rows.ts'
import { formatCsv, parseCsv } from '../../src/apps/cli/csv.ts'
import { fuzz } from '../kit/fuzz.ts'

const field = fc.string({
  unit: fc.constantFrom('a', 'b', '"', ',', '\n', '\r\n', ' ', 'ä', '='),
  maxLength: 8,
})

test('rows are read back as they were written', () => {
  const rows = fc.integer({ min: 1, max: 4 }).chain((width) =>
    fc.array(fc.array(field, { minLength: width, maxLength: width }), {
      minLength: 1,
      maxLength: 5,
    }),
  )
  fuzz(
    fc.property(rows, (written) => {
      const read = parseCsv(Buffer.from(formatCsv(written)))
      assert.ok(!('reason' in read), JSON.stringify(read))
      assert.deepEqual(
        read.map(({ fields }) => fields),
        written,
      )
    }),
  )
})

test('any bytes are a list of devices, or refused with a line', () => {
  const text = fc.string({
    unit: fc.constantFrom('name', ',', '"', '\n', '\r', 'profile', 'SEC-2', 'x', '\0', ';', '='),
    maxLength: 40,
  })
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    text.map((one) => Buffer.from(`name,labels\n${one}`)),
  )
  fuzz(
    fc.property(bytes, (given) => {
      const listed = readDeviceList(given)
      if ('problems' in listed) {
        assert.ok(listed.problems.every(({ line, reason }) => line >= 1 && reason !== ''))
      } else assert.ok(listed.every(({ line, device }) => line >= 2 && device.name !== ''))
    }),
  )
})
