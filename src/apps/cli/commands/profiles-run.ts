import {
  meeting,
  meetingWithAuthority,
  PROFILE_NAMES,
  type Profile,
  profileOf,
} from '../../../foundation/profiles/index.ts'
import type { CliContext } from '../context.ts'
import { EXIT, printJson, printTable } from '../output.ts'

/** `kosctl profiles`: from the table that everything else asks; nobody is asked for it. */
export async function profiles({ terminal }: CliContext): Promise<number> {
  const all = PROFILE_NAMES.map((name) => profileOf(name))
  if (terminal.isJson) {
    printJson(
      terminal,
      all.map((profile) => view(profile)),
    )
    return EXIT.ok
  }
  printTable(
    terminal,
    ['profile', 'port', 'tls', 'suite', 'groups', 'signatures', 'proof', 'pins'],
    all.map((profile) => row(profile)),
  )
  return EXIT.ok
}

function row({ name, transport, authentication }: Profile): readonly string[] {
  if (!transport) return [name, '-', '-', '-', '-', '-', authentication.factor, '-']
  const { defaultPort, cipherSuite, groups, signatureAlgorithms, pinsRequired } = transport
  return [
    name,
    String(defaultPort),
    VERSION,
    cipherSuite,
    groups.join(','),
    signatureAlgorithms.join(','),
    authentication.factor,
    pinsRequired ? 'both ways' : 'no',
  ]
}

/** No profile has another one. */
const VERSION = '1.3'

function view({ name, useCase, transport, authentication }: Profile): object {
  const wire = transport && { tlsVersion: VERSION, ...transport }
  return {
    name,
    useCase,
    transport: wire ?? null,
    authentication,
    dials: Object.fromEntries(PROFILE_NAMES.map((listener) => [listener, meeting(name, listener)])),
    authority: meetingWithAuthority(name),
  }
}
