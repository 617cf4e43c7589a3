import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Clock, Random, Refusal, z } from '../../foundation/base/index.ts'
import {
  type AuthorityAnswer,
  type AuthorityClient,
  type Member,
  openMember,
  parseAnswer,
  refusalOf,
  type RequestBody,
} from '../node/index.ts'
import { cliErrors } from './errors.ts'
import type { Terminal } from './output.ts'

/** Environment of a command, read once by the entry. */
export interface CliEnvironment {
  readonly home: string
  readonly config: string | undefined
  readonly state: string | undefined
  readonly isRoot: boolean
  readonly user: string
}

/** What every command gets. */
export interface CliContext {
  readonly terminal: Terminal
  readonly clock: Clock
  readonly random: Random
  readonly environment: CliEnvironment
}

/** Longest wait for the authority in milliseconds. */
const AUTHORITY_TIMEOUT_MS = 10_000

/** The environment of this process. */
export function readEnvironment(): CliEnvironment {
  const { env } = process
  return Object.freeze({
    home: homedir(),
    config: env['KOS_CONFIG'],
    state: env['KOS_STATE'],
    isRoot: process.getuid?.() === 0,
    user: env['SUDO_USER'] ?? env['USER'] ?? env['LOGNAME'] ?? 'operator',
  })
}

/** The folder of the operator's credential. */
export function configFolder(environment: CliEnvironment): string {
  return environment.config ?? join(environment.home, '.config', 'kos')
}

/** The state folder of a daemon: system-wide for root, else below the home folder. */
export function stateFolder(environment: CliEnvironment, role: 'authority' | 'node'): string {
  if (environment.state !== undefined) return join(environment.state, role)
  if (environment.isRoot) return join('/var/lib/kos', role)
  return join(environment.home, '.local', 'state', 'kos', role)
}

/**
 * Opens the credential that a command acts with.
 *
 * @param context - see {@link CliContext}
 * @param folder - another credential's folder, for example a node's state folder
 * @throws {@link KosError} KOS_CLI_CREDENTIAL when there is none
 */
export function openCredential(context: CliContext, folder?: string): Member {
  const place = folder ?? configFolder(context.environment)
  const member = openMember({ clock: context.clock, random: context.random }, { folder: place })
  if (!member) throw cliErrors.error('KOS_CLI_CREDENTIAL', { folder: place })
  return member
}

/** Runs work with a verified connection to the authority, and closes both afterwards. */
export async function withAuthority<T>(
  context: CliContext,
  work: (client: AuthorityClient, member: Member) => Promise<T>,
): Promise<T> {
  const member = openCredential(context)
  try {
    const client = await member.connectAuthority(AUTHORITY_TIMEOUT_MS)
    try {
      return await work(client, member)
    } finally {
      client.close()
    }
  } finally {
    member.close()
  }
}

/** A JSON body. */
export function jsonBody(value: unknown): RequestBody {
  return { type: 'application/json', bytes: Buffer.from(JSON.stringify(value)) }
}

/** Reads an answer: the value of a 2xx, else the refusal it carries. */
export function readAnswer<T>(answer: AuthorityAnswer, schema: z.ZodType<T>): T | Refusal {
  if (answer.status < 200 || answer.status > 299) return refusalOf(answer)
  return parseAnswer(answer, schema)
}
