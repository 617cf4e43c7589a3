import type { ProgramRun } from '../catalog/index.ts'

/**
 * What bubblewrap starts in every sandbox, as its init: it waits at standard input until it is told
 * what to run, sets the limits, starts the program with the rest of that input, reaps, and says on a
 * descriptor that the program never gets how it ended. So a sandbox can be made before anybody knows
 * what it is for, an end by signal is never taken for an exit code, and limits count from inside,
 * where there are only the processes of this run.
 *
 * It loads no module: that would take longer than the rest. Its arguments are the descriptor for what
 * it says and the numbers of prctl and prlimit64 on this machine.
 *
 * Says `B` when it has read what to run: until then nothing was begun, and the same may be run in
 * another sandbox. Then `F` and why nothing was started, or `E` and the wait status of the program.
 *
 * **Security:** nothing here holds anything back from the program: it is what the program may do
 * itself. It is not dumpable, so that a program does not write to its descriptors by accident.
 *
 * @see getrlimit(2): NPROC counts the processes of a user per user namespace since Linux 5.14
 * @see prctl(2): PR_SET_DUMPABLE is 4
 */
export const LAUNCHER_SCRIPT: string = String.raw`
my ($fd, $prctl, $prlimit) = map { $_ + 0 } @ARGV;
open my $report, '>&=', $fd or exit 1;
# F_SETFD, FD_CLOEXEC
fcntl $report, 2, 1;
syscall $prctl, 4, 0, 0, 0, 0;
my $request = take(unpack 'N', take(4));
syswrite $report, 'B';
my ($limits, $variables, $words) = map { [unpack '(N/a*)*', $_] } unpack '(N/a*)*', $request;
my $pid = fork;
fail("fork: $!") if !defined $pid;
if (!$pid) {
  for my $limit (@$limits) {
    my ($resource, @bounds) = map { $_ + 0 } split / /, $limit;
    my $pair = pack 'QQ', @bounds;
    syscall($prlimit, 0, $resource, $pair, 0) == 0 or fail("limit $resource: $!");
  }
  %ENV = @$variables;
  exec { $words->[0] } @$words;
  fail("$words->[0]: $!");
}
# The streams are the program's own.
open STDIN, '<', '/dev/null';
close STDOUT;
close STDERR;
while ((my $ended = wait) > 0) {
  next if $ended != $pid;
  syswrite $report, "E$?";
  last;
}
exit 0;

sub take {
  my ($length) = @_;
  my $bytes = '';
  while (length $bytes < $length) {
    sysread STDIN, $bytes, $length - length $bytes, length $bytes or exit 0;
  }
  return $bytes;
}

sub fail { syswrite $report, "F$_[0]"; exit 1 }
`

/** Numbers of resources, the same on every architecture that {@link BROKER_SCRIPT} knows. @see getrlimit(2) */
const RESOURCE = { cpu: 0, fileSize: 1, core: 4, processes: 6, openFiles: 7, locked: 8, memory: 9 }

/**
 * What the launcher reads: lists of limits, of variables with their values, and of the program with
 * its arguments, each text with its length before it.
 */
export function launchRequest(run: ProgramRun): Buffer {
  const variables = Object.entries(run.environment).flat()
  const words = [run.program, ...run.arguments]
  return counted(textList([limitTexts(run), variables, words].map(textList)))
}

function limitTexts({ limits }: ProgramRun): readonly string[] {
  const same = (resource: number, value: number): string => `${resource} ${value} ${value}`
  const cpuSeconds = Math.ceil(limits.cpuSeconds)
  return [
    // The init of the sandbox counts as well.
    same(RESOURCE.processes, limits.maxProcesses + 1),
    same(RESOURCE.openFiles, limits.maxOpenFiles),
    same(RESOURCE.fileSize, limits.maxFileBytes),
    // SIGXCPU first, SIGKILL for what ignores it.
    `${RESOURCE.cpu} ${cpuSeconds} ${cpuSeconds + 1}`,
    same(RESOURCE.core, 0),
    same(RESOURCE.locked, 0),
    // Last: the launcher may need memory before.
    same(RESOURCE.memory, limits.maxMemoryBytes),
  ]
}

/** Texts or bytes with their length before them: Perl's `(N/a*)*`. */
export function textList(items: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(items.map(counted))
}

function counted(item: string | Uint8Array): Buffer {
  const bytes = typeof item === 'string' ? Buffer.from(item, 'utf8') : item
  const framed = Buffer.allocUnsafe(4 + bytes.length)
  framed.writeUInt32BE(bytes.length)
  framed.set(bytes, 4)
  return framed
}
