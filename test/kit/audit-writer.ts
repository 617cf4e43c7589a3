/** A program that appends until it is killed and prints each index that it was told is durable. */
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { silentLog, systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { openStore } from '../../src/foundation/storage/index.ts'
import { auditSegments, auditTables, createAuditLog } from '../../src/trust/audit/index.ts'
import { logKeyOf, TEST_ORIGIN, testEvent } from './audit.ts'

const folder = process.argv[2] ?? ''
const read = (name: string) => createPrivateKey(readFileSync(join(folder, `${name}.pem`)))
const deps = { clock: systemClock, random: systemRandom, log: silentLog }
const store = openStore<unknown>(deps, {
  path: join(folder, 'audit.db'),
  migrations: [
    { version: 1, ...auditTables },
    { version: 2, ...auditSegments },
  ],
})
const keys = {
  ed25519: logKeyOf('Ed25519', read('ed25519')),
  mlDsa44: logKeyOf('ML-DSA-44', read('mlDsa44')),
}
const audit = await createAuditLog({ ...deps, store, keys }, { origin: TEST_ORIGIN })
for (;;) {
  for (let index = 0; index < 7; index += 1) audit.appendSoon(testEvent())
  const { index } = await audit.append(testEvent())
  process.stdout.write(`${index}\n`)
}
