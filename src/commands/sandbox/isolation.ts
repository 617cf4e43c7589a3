import type { ProgramRun } from '../catalog/index.ts'

/** bubblewrap's line, cut where read-only binds by descriptor are put in. */
export interface IsolationLine {
  readonly before: readonly string[]
  readonly after: readonly string[]
}

/** What this bubblewrap can do beyond its oldest version. */
export interface IsolationFeatures {
  readonly disableNestedNamespaces: boolean
  readonly bindByDescriptor: boolean
}

/** Reads the features off bubblewrap's help: distributions backport them, so versions say little. */
export function isolationFeatures(help: string): IsolationFeatures {
  return {
    disableNestedNamespaces: help.includes('--disable-userns'),
    bindByDescriptor: help.includes('--ro-bind-fd'),
  }
}

/** Every namespace, no capability, no terminal, no variable, and death with the parent. */
const NAMESPACES: readonly string[] =
  `--unshare-user --unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup
  --new-session --die-with-parent --clearenv --cap-drop ALL`.split(/\s+/)

/** A root of its own. Sinks, randomness and the names of the own descriptors are all of /dev. */
const ROOT: readonly string[] = `--uid 1000 --gid 1000 --ro-bind /usr /usr
  --symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib --symlink usr/lib64 /lib64
  --dev-bind /dev/null /dev/null --dev-bind /dev/zero /dev/zero
  --dev-bind /dev/urandom /dev/urandom --dev-bind /dev/urandom /dev/random
  --symlink /proc/self/fd /dev/fd --symlink /proc/self/fd/0 /dev/stdin
  --symlink /proc/self/fd/1 /dev/stdout --symlink /proc/self/fd/2 /dev/stderr
  --proc /proc --remount-ro /proc`.split(/\s+/)

/**
 * The isolation of every run and of the trial that proves it.
 *
 * @param features - of the installed bubblewrap
 * @param scratch - size of the private `/tmp` in bytes, and the environment of the program
 * @returns bubblewrap's options
 */
export function isolationOptions(
  features: IsolationFeatures,
  scratch: { readonly bytes: number; readonly environment: ProgramRun['environment'] },
): IsolationLine {
  const nested = features.disableNestedNamespaces ? ['--disable-userns'] : []
  const variables = Object.entries(scratch.environment).flatMap(([name, value]) => [
    '--setenv',
    name,
    value,
  ])
  return {
    before: [
      ...NAMESPACES,
      ...nested,
      ...variables,
      ...ROOT,
      '--size',
      String(scratch.bytes),
      '--tmpfs',
      '/tmp',
    ],
    after: ['--remount-ro', '/', '--chdir', '/tmp', '--'],
  }
}

/** Sets its limits from inside, where only the processes of the sandbox are counted. */
export const LIMITER = '/usr/bin/prlimit'

/**
 * What bubblewrap starts: prlimit(1), which becomes the program.
 *
 * @see getrlimit(2): NPROC counts the processes of a user per user namespace since Linux 5.14
 */
export function limitedProgram(run: ProgramRun): readonly string[] {
  const { limits } = run
  const { cpuSeconds } = limits
  return [
    LIMITER,
    // The init of the sandbox counts as well.
    `--nproc=${limits.maxProcesses + 1}`,
    `--nofile=${limits.maxOpenFiles}`,
    `--fsize=${limits.maxFileBytes}`,
    // SIGXCPU first, SIGKILL for what ignores it.
    `--cpu=${cpuSeconds}:${cpuSeconds + 1}`,
    `--as=${limits.maxMemoryBytes}`,
    '--core=0',
    '--memlock=0',
    '--',
    run.program,
    ...run.arguments,
  ]
}
