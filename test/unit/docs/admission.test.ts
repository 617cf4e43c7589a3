/** docs/admission.md says what the code does. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DEFAULT_ADMISSION_LIMITS } from '../../../src/network/admission/index.ts'
import { DEFAULT_HANDSHAKE_TIMEOUT_MS } from '../../../src/network/transport/index.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/admission.md'), 'utf8')

test('the table of limits is that of the code, in the same order', () => {
  const documented = [...page.matchAll(/^\| `([A-Za-z.]+)` \| (\d+) \|$/gm)].map(
    ([, name, value]) => [name, Number(value)],
  )
  const coded = Object.entries<number | object>({ ...DEFAULT_ADMISSION_LIMITS }).flatMap(
    ([name, value]) =>
      typeof value === 'number'
        ? [[name, value]]
        : Object.entries<unknown>({ ...value }).map(([part, number]) => [
            `${name}.${part}`,
            number,
          ]),
  )
  assert.deepEqual(documented, coded)
})

test('the handshake deadline is that of the code', () => {
  assert.ok(page.includes(`a connection has ${DEFAULT_HANDSHAKE_TIMEOUT_MS} ms`))
})
