import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { silentLog } from '../../../foundation/base/index.ts'
import { parseCertificate, pemEncode } from '../../../foundation/codec/index.ts'
import { encryptPrivateKey } from '../../../trust/keys/index.ts'
import { findIssuer } from '../../../trust/pki/index.ts'
import { type Member, recordOffline } from '../../node/index.ts'
import type { CommandInput } from '../command-line.ts'
import { type CliContext, configFolder } from '../context.ts'
import { openCredential } from '../credential.ts'
import { cliErrors } from '../errors.ts'
import { newPassphrase } from '../new-passphrase.ts'
import { EXIT, paint, printJson } from '../output.ts'

/** `kosctl credentials export` */
export async function exportKey(context: CliContext, input: CommandInput): Promise<number> {
  const isPrivate = input.flag('private')
  const file = input.text('out')
  if (!isPrivate && !input.flag('certificate')) throw usage('--certificate, --private, or both')
  if (isPrivate && file === undefined) throw usage('--private needs --out FILE')
  // Before a passphrase is asked for; the writing itself refuses it once more.
  if (file !== undefined && existsSync(file)) throw usage(`${file} is there already`)
  const folder = input.text('state') ?? configFolder(context.environment)
  const member = openCredential(context, folder)
  try {
    const name = input.positionals[0] ?? member.membership.tlsKey
    const chain = input.flag('certificate') ? chainPem(member, name) : ''
    const key = isPrivate ? await privatePem(context, input, { member, name }) : ''
    give(context, file, chain + key)
    return EXIT.ok
  } finally {
    member.close()
  }
}

/** Shown where there is no file; what is private never gets here without one. */
function give({ terminal }: CliContext, file: string | undefined, pem: string): void {
  if (file === undefined) {
    if (terminal.isJson) printJson(terminal, { pem })
    else terminal.out(pem.trimEnd())
    return
  }
  // Nothing is written over, and nobody else ever reads it.
  writeFileSync(file, pem, { mode: 0o600, flag: 'wx' })
  if (terminal.isJson) printJson(terminal, { file })
  else terminal.out(`${paint(terminal, 'green', 'written')}  ${file}`)
}

/** The certificate, and the intermediate that signed it. */
function chainPem({ membership, fabric }: Member, name: string): string {
  if (name !== membership.tlsKey || membership.psk) throw refused(name, 'no certificate of it')
  const issuer = findIssuer(parseCertificate(membership.leaf), fabric.bundle)
  const chain = [membership.leaf, ...(issuer ? [issuer.certificate.der] : [])]
  return chain.map((der) => pemEncode('CERTIFICATE', der)).join('')
}

/** Recorded before it is out: of a node, in its log; an operator's folder has none. */
async function privatePem(
  context: CliContext,
  input: CommandInput,
  { member, name }: { readonly member: Member; readonly name: string },
): Promise<string> {
  const key = member.keys.require(name)
  if (key.purpose !== 'tls') throw refused(name, key.purpose)
  using passphrase = newPassphrase(context, {
    file: input.text('new-file'),
    option: '--new-file',
  })
  using pem = key.tlsPrivateKeyPem()
  const encrypted = encryptPrivateKey(context, pem, passphrase)
  if (existsSync(join(member.folder, 'node.sqlite'))) {
    const { uri } = member.membership.principal
    await recordOffline({ ...context, log: silentLog }, member, {
      type: 'credential',
      actor: uri,
      target: uri,
      action: 'credential.export',
      outcome: 'ok',
      detail: { key: name },
    })
  }
  return encrypted
}

function refused(name: string, rule: string): Error {
  return cliErrors.error('KOS_CLI_EXPORT', { name, rule })
}

function usage(reason: string): Error {
  return cliErrors.error('KOS_CLI_USAGE', { reason })
}
