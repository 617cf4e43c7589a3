/**
 * A program that joins as `kosd node --join` does, and is killed when it has the authority's answer
 * and nothing of it is stored. Prints the certificate it would have kept, in hexadecimal.
 */
import { writeSync } from 'node:fs'
import { joinAuthority, openMemberKeys } from '../../src/apps/node/index.ts'
import {
  isRefusal,
  type Secret,
  systemClock,
  systemRandom,
} from '../../src/foundation/base/index.ts'
import { cborToPlain, decodeCbor } from '../../src/foundation/codec/index.ts'
import { parseJoinLine } from '../../src/lifecycle/enrolment/index.ts'

const [folder = '', text = ''] = process.argv.slice(2)
const line = parseJoinLine(text)
if (isRefusal(line)) throw new TypeError(line.rule)
const deps = { clock: systemClock, random: systemRandom }
const keys = openMemberKeys(deps, folder)
const seal = keys.sealSecret.bind(keys)
Object.defineProperty(keys, 'sealSecret', {
  value: (name: string, secret: Secret) => {
    if (name !== 'membership') return seal(name, secret)
    const plain = secret.use((bytes) => cborToPlain(decodeCbor(Uint8Array.from(bytes))))
    const { leaf } = plain as { leaf: Uint8Array }
    writeSync(1, Buffer.from(leaf).toString('hex'))
    return process.kill(process.pid, 'SIGKILL')
  },
})
const mac = Uint8Array.of(2, 0, 0, 0, 0, 1)
await joinAuthority(deps, { folder, keys, line, mac, addresses: [] })
