import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import { BROKER_PROGRAM } from './broker.ts'
import { type Guarantee, hostGuarantees, measuredGuarantees } from './guarantees.ts'
import type { ProbeHost } from './host.ts'
import { type IsolationFeatures, isolationFeatures, isolationOptions } from './isolation.ts'

/** What `kosctl doctor` shows of the sandbox. */
export interface SandboxReport {
  readonly backend: 'bubblewrap'
  /** Whether a sandbox started under an unprivileged user just now. */
  readonly usable: boolean
  readonly program?: string
  readonly version?: string
  readonly guarantees: readonly Guarantee[]
  readonly features: IsolationFeatures
  /** Why it is not usable, and what would help; absent when it is. */
  readonly refusal?: Refusal
}

/** Where the probe looks, and as whom it starts a sandbox. */
export interface ProbeOptions {
  /** Absolute paths, the first existing one is taken; the search path of a user is never used. */
  readonly programs: readonly string[]
  /** What runs are made of besides. */
  readonly helpers: readonly string[]
  /**
   * Users of the host that belong to nobody, with groups of the same number. Taken when the daemon
   * itself is root: a sandbox is never started as root.
   */
  readonly users: { readonly first: number; readonly count: number }
}

/**
 * The usual places of bubblewrap, and eight users that no distribution gives away and that exist also
 * in containers with 65,536 users.
 *
 * @see https://systemd.io/UIDS-GIDS/ (65520 to 65533: unused)
 */
export const DEFAULT_PROBE_OPTIONS: ProbeOptions = Object.freeze({
  programs: Object.freeze(['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap']),
  helpers: Object.freeze([BROKER_PROGRAM]),
  users: Object.freeze({ first: 65_520, count: 8 }),
})

/**
 * Finds out whether bubblewrap can isolate a command on this host, by starting it.
 *
 * **Security:** a report, not a sandbox: a guarantee that is only `available` still has to be put in
 * force by whoever runs a command.
 *
 * @param deps - the host to look at
 * @param options - places and identity, see {@link DEFAULT_PROBE_OPTIONS}
 * @returns the report; every reason not to be usable is a refusal in it: KOS_SANDBOX_MISSING,
 * KOS_SANDBOX_UNTRUSTED, KOS_SANDBOX_START
 * @example
 * ```ts
 * import { DEFAULT_PROBE_OPTIONS, probeSandbox, systemProbeHost } from 'kos/sandbox'
 * const report = await probeSandbox({ host: systemProbeHost }, DEFAULT_PROBE_OPTIONS)
 * report.backend // 'bubblewrap'
 * ```
 */
export async function probeSandbox(
  deps: { readonly host: ProbeHost },
  options: ProbeOptions,
): Promise<SandboxReport> {
  const { host } = deps
  const program = findProgram(host, options)
  const landlock = await landlockVersion(host)
  if (isRefusal(program)) {
    const guarantees = [...measuredGuarantees(undefined), ...hostGuarantees(host, '', landlock)]
    const features = isolationFeatures('')
    return { backend: 'bubblewrap', usable: false, guarantees, features, refusal: program }
  }
  const { first } = options.users
  const identity = host.userId === 0 ? { userId: first, groupId: first } : undefined
  const version = await host.run(program, ['--version'], identity)
  const help = (await host.run(program, ['--help'], identity)).output
  const features = isolationFeatures(help)
  const trial = await host.run(program, trialArguments(features), identity)
  const started = trial.exitCode === 0
  const shown = /^bubblewrap ([0-9][0-9a-z.]{0,31})\s*$/.exec(version.output)?.[1]
  const output = started ? trial.output : undefined
  return {
    backend: 'bubblewrap',
    usable: started,
    program,
    features,
    ...(shown !== undefined && { version: shown }),
    guarantees: [...measuredGuarantees(output), ...hostGuarantees(host, help, landlock)],
    ...(!started && { refusal: startRefusal(host) }),
  }
}

/**
 * Asks the kernel for its Landlock version; 0: none. Perl, which Debian always has, makes the call.
 *
 * @see landlock_create_ruleset(2): LANDLOCK_CREATE_RULESET_VERSION
 */
async function landlockVersion(host: ProbeHost): Promise<number> {
  const code = 'print syscall(444, 0, 0, 1)'
  const { exitCode, output } = await host.run('/usr/bin/perl', ['-e', code], undefined)
  return exitCode === 0 && /^[0-9]{1,3}$/.test(output) ? Number(output) : 0
}

function findProgram(host: ProbeHost, options: ProbeOptions): string | Refusal {
  const program = options.programs.find((path) => host.fileFacts(path))
  if (program === undefined) return missingProgram('bubblewrap')
  for (const path of [program, ...options.helpers]) {
    const facts = host.fileFacts(path)
    if (!facts) return missingProgram(path)
    const owned = facts.ownerId === 0 || facts.ownerId === host.userId
    if (facts.regular && owned && (facts.mode & 0o022) === 0) continue
    return refuse('KOS_SANDBOX_UNTRUSTED', 'sandbox/program', {
      remedy: `Make ${path} a regular file of root with mode 0755.`,
    })
  }
  return program
}

function missingProgram(name: string): Refusal {
  return refuse('KOS_SANDBOX_MISSING', 'sandbox/program', {
    remedy: `${name} is missing, on Debian and Ubuntu: apt-get install bubblewrap perl-base`,
  })
}

/** What runs in the trial: it prints what a process in the sandbox sees of itself. */
const TRIAL_COMMAND = '/usr/bin/cat /proc/self/status /proc/self/mounts /proc/net/dev'.split(' ')

/** The isolation of a run, so that what is measured is what runs have. */
function trialArguments(features: IsolationFeatures): readonly string[] {
  const { before, after } = isolationOptions(features, 4096)
  return [...before, ...after, ...TRIAL_COMMAND]
}

/** Kernel settings that switch user namespaces off for ordinary users. */
const SWITCHES: readonly (readonly [path: string, off: string, remedy: string])[] = [
  [
    '/proc/sys/user/max_user_namespaces',
    '0',
    'Raise the limit: sysctl user.max_user_namespaces=10000',
  ],
  [
    '/proc/sys/kernel/unprivileged_userns_clone',
    '0',
    'Allow user namespaces: sysctl kernel.unprivileged_userns_clone=1',
  ],
  [
    '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    '1',
    'Give bubblewrap an AppArmor profile that allows user namespaces.',
  ],
]

function startRefusal(host: ProbeHost): Refusal {
  const found = SWITCHES.find(([path, off]) => host.readText(path)?.trim() === off)
  return found
    ? refuse('KOS_SANDBOX_START', 'sandbox/user-namespaces', { remedy: found[2] })
    : refuse('KOS_SANDBOX_START', 'sandbox/start', {
        remedy: 'Start bwrap by hand as an ordinary user and follow its message.',
      })
}
