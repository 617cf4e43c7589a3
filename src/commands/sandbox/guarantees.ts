import type { ProbeHost } from './host.ts'

/** The properties that isolation of untrusted code rests on. */
export const GUARANTEE_NAMES = [
  'namespaces',
  'no-new-privileges',
  'no-capabilities',
  'no-network',
  'read-only-root',
  'read-only-proc',
  'bind-by-descriptor',
  'no-nested-namespaces',
  'system-call-filter',
  'landlock',
  'write-xor-execute',
  'resource-groups',
] as const
/** One of {@link GUARANTEE_NAMES}. */
export type GuaranteeName = (typeof GUARANTEE_NAMES)[number]

/** What no run has in force yet, whatever the host offers. */
const NOT_IN_FORCE: ReadonlySet<GuaranteeName> = new Set([
  'system-call-filter',
  'landlock',
  'write-xor-execute',
  'resource-groups',
])

/** What is known of one guarantee on this host. */
export interface Guarantee {
  readonly name: GuaranteeName
  /**
   * `proven`: measured inside a sandbox just now. `available`: the host has what it takes.
   * `missing`: neither.
   */
  readonly state: 'proven' | 'available' | 'missing'
  /** Why it is missing; absent otherwise. */
  readonly reason?: string
}

/** The guarantees that a program run on this host does not have, in the order of the table. */
export function notInForce(guarantees: readonly Guarantee[]): readonly GuaranteeName[] {
  return guarantees
    .filter(({ name, state }) => state === 'missing' || NOT_IN_FORCE.has(name))
    .map(({ name }) => name)
}

/**
 * Reads what a process inside the sandbox printed of itself.
 *
 * @param output - `/proc/self/status`, `/proc/self/mounts` and `/proc/net/dev`, one after the other;
 * `undefined` when no sandbox started
 * @returns one guarantee per property measured
 * @see proc(5), proc_pid_status(5)
 */
export function measuredGuarantees(output: string | undefined): readonly Guarantee[] {
  const text = output ?? ''
  const interfaces = text.matchAll(/^ *(\S+):(?: +\d+){16}$/gm).map(([, name]) => name)
  const checks: readonly (readonly [GuaranteeName, boolean])[] = [
    // bubblewrap fails when one of the namespaces it was told to make cannot be made.
    ['namespaces', output !== undefined],
    ['no-new-privileges', /^NoNewPrivs:\t1$/m.test(text)],
    ['no-capabilities', /^CapEff:\t0+$/m.test(text) && /^CapPrm:\t0+$/m.test(text)],
    ['no-network', output !== undefined && interfaces.every((name) => name === 'lo')],
    ['read-only-root', isReadOnlyMount(text, '/')],
    ['read-only-proc', isReadOnlyMount(text, '/proc')],
  ]
  const reason = output === undefined ? 'No sandbox started.' : 'The sandbox does not have it.'
  return checks.map(([name, holds]) =>
    holds ? { name, state: 'proven' } : { name, state: 'missing', reason },
  )
}

function isReadOnlyMount(mounts: string, place: string): boolean {
  const line = mounts.split('\n').find((mount) => mount.split(' ')[1] === place)
  return line?.split(' ')[3]?.split(',').includes('ro') ?? false
}

/**
 * Looks for what the host and the sandbox program offer beyond the namespaces.
 *
 * @param host - where to look
 * @param help - the help text of the sandbox program; empty when there is none
 * @param landlock - Landlock version of the kernel; 0: none
 */
export function hostGuarantees(
  host: ProbeHost,
  help: string,
  landlock: number,
): readonly Guarantee[] {
  const actions = host.readText('/proc/sys/kernel/seccomp/actions_avail') ?? ''
  const groups = host.readText('/proc/self/cgroup') ?? ''
  return [
    given(
      'bind-by-descriptor',
      help.includes('--ro-bind-fd'),
      'This bubblewrap has no --ro-bind-fd.',
    ),
    given(
      'no-nested-namespaces',
      help.includes('--disable-userns'),
      'This bubblewrap has no --disable-userns.',
    ),
    given('system-call-filter', actions.includes('errno'), 'The kernel has no seccomp filters.'),
    given('landlock', landlock > 0, 'The kernel has no Landlock.'),
    given('write-xor-execute', atLeastKernel(host.kernelRelease, 6, 3), 'It needs Linux 6.3.'),
    given('resource-groups', groups.length > 0, 'The kernel shows no control groups.'),
  ]
}

function given(name: GuaranteeName, holds: boolean, reason: string): Guarantee {
  return holds ? { name, state: 'available' } : { name, state: 'missing', reason }
}

function atLeastKernel(release: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = release.split('.').map((part) => Number.parseInt(part, 10))
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}
