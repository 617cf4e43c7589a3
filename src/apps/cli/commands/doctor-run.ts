import { isRefusal, z } from '../../../foundation/base/index.ts'
import {
  DEFAULT_PROBE_OPTIONS,
  type Guarantee,
  notInForce,
  probeSandbox,
  systemProbeHost,
} from '../../../commands/sandbox/index.ts'
import { checkList, type CheckView } from '../../authority/index.ts'
import {
  defaultCommandsFolder,
  inspectCommandFiles,
  type Member,
  nodeErrors,
} from '../../node/index.ts'
import { BUILTIN_WORDS } from '../builtin-words.ts'
import type { CommandInput } from '../command-line.ts'
import { readAnswer } from '../answers.ts'
import { configurationChecks } from '../config/doctor.ts'
import { type CliContext, stateFolder } from '../context.ts'
import { openCredential } from '../credential.ts'
import { EXIT, paint, printable, printJson, relativeTime } from '../output.ts'

const TIMEOUT_MS = 5000
/** @see protocol: Limits */
const MAX_SKEW_MS = 30_000

const health = z.object({ timeMs: z.number() })

/** `kosctl doctor` */
export async function doctor(context: CliContext, input: CommandInput): Promise<number> {
  const member = openCredential(context)
  try {
    const checks = [
      credentialCheck(context, member),
      ...(await authorityChecks(context, member)),
      await sandboxCheck(),
      ...commandFilesCheck(context),
      ...configurationChecks(context),
    ]
    if (input.flag('json')) printJson(context.terminal, checks)
    else printChecks(context, checks)
    return checks.some(({ state }) => state === 'failed') ? EXIT.failed : EXIT.ok
  } finally {
    member.close()
  }
}

/** What this machine's sandbox can do; programs are not run without it. */
async function sandboxCheck(): Promise<CheckView> {
  const { usable, version, refusal, guarantees } = await probeSandbox(
    { host: systemProbeHost },
    DEFAULT_PROBE_OPTIONS,
  )
  return {
    name: 'sandbox',
    state: usable ? 'ok' : 'warning',
    detail: usable
      ? `bubblewrap ${version ?? ''} starts under an unprivileged user${lacksOf(guarantees)}`
      : `${refusal?.remedy ?? 'bubblewrap does not start'} (${refusal?.code ?? 'unknown'})`,
  }
}

/** The command files of this machine's node, where it has a folder of them that can be read. */
function commandFilesCheck({ environment }: CliContext): CheckView[] {
  const state = stateFolder(environment, 'node')
  const report = inspectCommandFiles(defaultCommandsFolder(state), {
    reserved: new Set(BUILTIN_WORDS.map(({ name }) => name)),
    stateFolders: [state, stateFolder(environment, 'authority')],
  })
  if (!report) return []
  const { accepted, refused } = report
  const [first] = refused
  const why = first ? `, ${refused.length} refused: ${first.file}: ${first.reason}` : ''
  const detail = `${accepted} accepted${why}`
  return [{ name: 'command files', state: first ? 'warning' : 'ok', detail }]
}

/** What programs in the sandbox go without, and that one at a time runs where nobody is root. */
function lacksOf(guarantees: readonly Guarantee[]): string {
  const missing = notInForce(guarantees)
  const single = systemProbeHost.userId === 0 ? '' : '; one program at a time, as the own user'
  return `${missing.length === 0 ? '' : `; missing: ${missing.join(', ')}`}${single}`
}

function credentialCheck(context: CliContext, member: Member): CheckView {
  const now = context.clock.wallMs()
  const { notAfter } = member.validity
  return {
    name: 'credential',
    state: notAfter > now ? 'ok' : 'failed',
    detail: `${member.membership.principal.uri}, certificate ends ${relativeTime(notAfter, now)}`,
  }
}

async function authorityChecks(context: CliContext, member: Member): Promise<CheckView[]> {
  const where = `${member.membership.host}:${member.membership.port}`
  try {
    const client = await member.connectAuthority(TIMEOUT_MS)
    try {
      const reachable: CheckView = {
        name: 'authority',
        state: 'ok',
        detail: `${where}, pin verified`,
      }
      const time = readAnswer(await client.request('GET', '/v1/health'), health)
      const answer = readAnswer(await client.request('GET', '/v1/checks'), checkList)
      const remote: CheckView[] = isRefusal(answer)
        ? [{ name: 'authority checks', state: 'failed', detail: answer.rule }]
        : answer.checks
      return [reachable, clockCheck(context, isRefusal(time) ? undefined : time.timeMs), ...remote]
    } finally {
      client.close()
    }
  } catch (error) {
    if (nodeErrors.has(error) && error.code === 'KOS_NODE_CLOCK') {
      const ahead = `${String(error.details['aheadSeconds'])} s ahead of the authority: set it`
      return [{ name: 'clock', state: 'failed', detail: ahead }]
    }
    const detail = error instanceof Error ? error.message : String(error)
    return [{ name: 'authority', state: 'failed', detail: `${where}: ${detail}` }]
  }
}

function clockCheck(context: CliContext, authorityMs: number | undefined): CheckView {
  if (authorityMs === undefined) return { name: 'clock', state: 'warning', detail: 'not compared' }
  const skewMs = Math.abs(context.clock.wallMs() - authorityMs)
  const isNear = skewMs < MAX_SKEW_MS
  return {
    name: 'clock',
    state: isNear ? 'ok' : 'failed',
    detail: isNear
      ? 'agrees with the authority'
      : `differs by ${Math.round(skewMs / 1000)} s: set it`,
  }
}

function printChecks(context: CliContext, checks: readonly CheckView[]): void {
  const { terminal } = context
  const width = Math.max(...checks.map(({ name }) => name.length))
  const styles = { ok: 'green', warning: 'yellow', failed: 'red' } as const
  for (const { name, state, detail } of checks) {
    const mark = paint(terminal, styles[state], state.padEnd(7))
    terminal.out(`${mark}  ${printable(name).padEnd(width)}  ${printable(detail)}`)
  }
}
