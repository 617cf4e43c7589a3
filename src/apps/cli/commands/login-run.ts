import { isRefusal, type Refusal } from '../../../foundation/base/index.ts'
import type { JoinLine } from '../../../lifecycle/enrolment/index.ts'
import { joinAuthority, loadMembership, type Membership, openMemberKeys } from '../../node/index.ts'
import type { CommandInput } from '../command-line.ts'
import { type CliContext, configFolder } from '../context.ts'
import { openCredential } from '../credential.ts'
import { lineText, readJoinLine } from '../daemon-join.ts'
import { cliErrors } from '../errors.ts'
import { EXIT, printFields, printRefusal, relativeTime } from '../output.ts'

/** A person has no network card. */
const NO_MAC_BYTES = 6

/** `kosctl login` */
export async function login(context: CliContext, input: CommandInput): Promise<number> {
  const folder = configFolder(context.environment)
  const [given = ''] = input.positionals
  const line = readJoinLine(context, lineText(context, given))
  const joined = await join(context, folder, line)
  if (isRefusal(joined)) {
    printRefusal(context.terminal, 'login', joined)
    return EXIT.refused
  }
  show(context, folder)
  return EXIT.ok
}

/** Keys that a login left behind that was cut off are used again: the same request, the same certificate. */
async function join(
  context: CliContext,
  folder: string,
  line: JoinLine,
): Promise<Membership | Refusal> {
  using secret = line.secret
  const keys = openMemberKeys(context, folder)
  try {
    if (loadMembership(keys)) throw cliErrors.error('KOS_CLI_FOLDER_TAKEN', { folder })
    return await joinAuthority(context, {
      folder,
      keys,
      line: { ...line, secret },
      mac: new Uint8Array(NO_MAC_BYTES),
      addresses: [],
      isPerson: true,
    })
  } finally {
    keys.close()
  }
}

function show(context: CliContext, folder: string): void {
  const member = openCredential(context)
  try {
    const { membership, fabric, validity } = member
    const { uri } = membership.principal
    const roles = fabric.directory.byUri(uri)?.roles ?? []
    printFields(context.terminal, [
      ['joined', uri],
      ['roles', roles.join(', ') || '-'],
      ['certificate', `ends ${relativeTime(validity.notAfter, context.clock.wallMs())}`],
      ['folder', folder],
    ])
  } finally {
    member.close()
  }
}
