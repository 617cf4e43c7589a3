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

/**
 * Every namespace, no capability, no terminal, no variable, and death with the parent. What is started
 * is the init of the namespace itself: bubblewrap's own would tell an end by signal as an exit code.
 */
const NAMESPACES: readonly string[] =
  `--unshare-user --unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup
  --as-pid-1 --new-session --die-with-parent --clearenv --cap-drop ALL`.split(/\s+/)

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
 * @param scratchBytes - size of the private `/tmp`
 * @returns bubblewrap's options
 */
export function isolationOptions(features: IsolationFeatures, scratchBytes: number): IsolationLine {
  const nested = features.disableNestedNamespaces ? ['--disable-userns'] : []
  return {
    before: [...NAMESPACES, ...nested, ...ROOT, '--size', String(scratchBytes), '--tmpfs', '/tmp'],
    after: ['--remount-ro', '/', '--chdir', '/tmp', '--'],
  }
}
