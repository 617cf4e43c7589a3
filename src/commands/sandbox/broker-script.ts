/**
 * The broker: a small process that starts bubblewrap, because a fork of the daemon itself stops it for
 * as long as its memory is big. It is Perl, which every Debian has, starts fast and takes 5 MiB. It
 * runs nothing but what the daemon frames to it, and ends when the daemon is gone.
 *
 * Frames, both ways: length of the rest, id of the run (32 bits each, big endian), type, body. Lists
 * are texts with their length before them.
 *
 * - `S`: makes a sandbox. uid and gid (empty: own), then four lists: the program and arguments before
 *   the binds, paths to bind read-only, arguments behind them, the launcher with its arguments.
 * - `G`: runs a program in it, once. Bytes per stream, bytes of standard output that may be under way
 *   to their reader (empty: any), what the launcher reads and the program's input behind it.
 * - `C`: bytes of standard output that reached their reader.
 * - `K`: kill.
 * - `1`, `2`: standard output, standard error.
 * - `E`: end. Why it did not start (empty: it did), whether bubblewrap was killed, its status texts,
 *   `output` when the cap was reached, `killed`, what the launcher said.
 *
 * A bubblewrap that is killed while it builds a sandbox leaves a process that nothing binds to it yet.
 * Such a process comes to the broker, which kills it.
 *
 * @see bwrap(1), openat2(2), pidfd_open(2), pidfd_send_signal(2)
 * @see prctl(2): PR_SET_CHILD_SUBREAPER is 36
 */
export const BROKER_SCRIPT: string = String.raw`
use strict;
use warnings;
use POSIX ();
use Fcntl qw(F_SETFD F_SETFL O_NONBLOCK);

# These numbers are the same on every architecture.
my ($PIDFD_SEND_SIGNAL, $PIDFD_OPEN, $OPENAT2) = (424, 434, 437);
my ($AT_FDCWD, $O_PATH, $NO_LINKS) = (-100, 0x200000, 0x06);
# prctl and prlimit64 for the launcher; only the first has been tried.
my %LAUNCHER_CALLS = (
  x86_64 => [157, 302],
  (map { $_ => [167, 261] } qw(aarch64 riscv64 loongarch64)),
  ppc64le => [171, 325],
  s390x => [172, 334],
);
my $calls = $LAUNCHER_CALLS{(POSIX::uname())[4]};
my $CHUNK = 65536;
my $MAX_EARLY = 4096;
# More output waits in its pipe while the daemon is behind.
my $MAX_WAITING = 1 << 20;

$0 = 'kosd: programs';
my @IGNORED = qw(PIPE INT TERM HUP QUIT);
$SIG{$_} = 'IGNORE' for @IGNORED;
chdir '/';
umask 022;
close_inherited();
nonblocking(\*STDOUT);
syscall $calls->[0], 36, 1, 0, 0, 0 if $calls;

my ($in, $out, $ending) = ('', '', 0);
my %runs;
turn() until $ending && !%runs;

sub turn {
  my ($readable, $writable) = ('', '');
  vec($readable, 0, 1) = 1 if !$ending;
  vec($writable, 1, 1) = 1 if length $out;
  for my $run (values %runs) {
    my @sources = qw(status init report bubblewrap);
    push @sources, '2' if length $out < $MAX_WAITING;
    # A program whose reader is slow stops at its pipe.
    push @sources, '1' if length $out < $MAX_WAITING && room($run) > 0;
    vec($readable, fileno $_, 1) = 1 for grep { defined } @$run{@sources};
    vec($writable, fileno $run->{stdin}, 1) = 1 if $run->{stdin} && defined $run->{input};
  }
  return if select($readable, $writable, undef, undef) < 0;
  flush_out() if vec($writable, 1, 1);
  for my $run (values %runs) {
    feed($run) if $run->{stdin} && vec($writable, fileno $run->{stdin}, 1);
    for my $name (qw(1 2)) {
      collect($run, $name) if $run->{$name} && vec($readable, fileno $run->{$name}, 1);
    }
    listen_to($run) if $run->{report} && vec($readable, fileno $run->{report}, 1);
    follow($run) if $run->{status} && vec($readable, fileno $run->{status}, 1);
    reap($run) if $run->{bubblewrap} && vec($readable, fileno $run->{bubblewrap}, 1);
    delete $run->{init} if $run->{init} && vec($readable, fileno $run->{init}, 1);
    finish($run) if !grep { defined } @$run{qw(status init report bubblewrap 1 2)};
  }
  attend() if !$ending && vec($readable, 0, 1);
}

# What the daemon says; when it is gone, everything it started is killed.
sub attend {
  my $got = sysread STDIN, $in, $CHUNK, length $in;
  if (!$got) {
    $ending = 1;
    kill_run($_) for values %runs;
    return;
  }
  while (length $in >= 4) {
    my $length = unpack 'N', $in;
    last if length $in < 4 + $length;
    my ($id, $type, $body) = unpack 'x4 N a1 a*', substr $in, 0, 4 + $length, '';
    start($id, $body) if $type eq 'S';
    my $run = $runs{$id} or next;
    go($run, $body) if $type eq 'G';
    $run->{ahead} -= unpack 'N', $body if $type eq 'C';
    kill_run($run) if $type eq 'K';
  }
}

# What a program is and its input go the same way; a sandbox that was never told ends with its input.
sub go {
  my ($run, $body) = @_;
  @$run{qw(max window input)} = unpack '(N/a*)*', $body;
}

# Bytes of standard output that may be read now.
sub room {
  my ($run) = @_;
  return $run->{window} eq '' || $run->{killed} ? $CHUNK : $run->{window} - $run->{ahead};
}

sub start {
  my ($id, $body) = @_;
  my ($uid, $gid, @lists) = unpack '(N/a*)*', $body;
  my ($before, $paths, $after, $launcher) = map { [unpack '(N/a*)*', $_] } @lists;
  return say_end($id, 'unknown architecture') if !$calls;
  my (@fds, @binds);
  for my $path (@$paths) {
    # No component may be a symbolic link: one could have been put there since the path was checked.
    my $how = pack 'QQQ', $O_PATH, 0, $NO_LINKS;
    my $fd = syscall $OPENAT2, $AT_FDCWD, $path, $how, length $how;
    if ($fd < 0) {
      my $reason = "$path: $!";
      POSIX::close($_) for @fds;
      return say_end($id, $reason);
    }
    push @fds, $fd;
    push @binds, '--ro-bind-fd', $fd, $path;
  }
  my %run = (id => $id, text => '', said => '', ahead => 0, window => '', seen => {1 => 0, 2 => 0});
  my ($status, $report, $stdin, $stdout, $stderr);
  pipe($run{status}, $status) && pipe($run{report}, $report) && pipe($stdin, $run{stdin})
    && pipe($run{1}, $stdout) && pipe($run{2}, $stderr) or return say_end($id, "pipe: $!");
  my ($program, @options) = @$before;
  my @inside = (@$after, @$launcher, fileno $report, @$calls);
  my @line = ($program, '--json-status-fd', fileno $status, @options, @binds, @inside);
  $run{pid} = fork;
  if (defined $run{pid} && !$run{pid}) {
    become($uid, $gid, [$stdin, $stdout, $stderr])
      && fcntl($status, F_SETFD, 0) && fcntl($report, F_SETFD, 0) and exec {$program} @line;
    POSIX::_exit(1);
  }
  my $reason = "fork: $!";
  POSIX::close($_) for @fds;
  return say_end($id, $reason) if !defined $run{pid};
  nonblocking($run{stdin});
  $run{bubblewrap} = pidfd($run{pid}, $$);
  $runs{$id} = \%run;
}

# In the child: standard streams, the unprivileged user, and first in line when memory runs out.
sub become {
  my ($uid, $gid, $streams) = @_;
  $SIG{$_} = 'DEFAULT' for @IGNORED;
  POSIX::dup2(fileno $streams->[$_], $_) // return 0 for 0 .. 2;
  if (open my $score, '>', '/proc/self/oom_score_adj') { syswrite $score, '500' }
  return 1 if $uid eq '';
  $) = "$gid $gid";
  POSIX::setgid($gid) && POSIX::setuid($uid) or return 0;
  return $< == $uid && $> == $uid && $) eq "$gid $gid" && $( eq "$gid $gid";
}

sub feed {
  my ($run) = @_;
  my $sent = syswrite $run->{stdin}, $run->{input}, $CHUNK;
  return if !defined $sent && $!{EAGAIN};
  substr($run->{input}, 0, $sent) = '' if $sent;
  # Closed when all is sent, or when nobody reads it any more.
  delete $run->{stdin} if !$sent || !length $run->{input};
}

sub collect {
  my ($run, $name) = @_;
  my $bytes = '';
  my $room = $name eq '1' ? room($run) : $CHUNK;
  my $got = sysread $run->{$name}, $bytes, $room < $CHUNK ? $room : $CHUNK;
  if (!$got) {
    delete $run->{$name};
    return;
  }
  $run->{ahead} += $got if $name eq '1';
  # Before a program runs, only bubblewrap and the launcher can have something to say.
  $room = ($run->{max} // $MAX_EARLY) - $run->{seen}{$name};
  $run->{seen}{$name} += $got;
  say_frame($run->{id}, $name, substr $bytes, 0, $room) if $room > 0;
  if ($got > $room && !$run->{output}) {
    $run->{output} = 1;
    kill_run($run);
  }
}

# What bubblewrap tells of itself: first its init, whose end is the end of every process inside.
sub follow {
  my ($run) = @_;
  my $got = sysread $run->{status}, $run->{text}, 4096, length $run->{text};
  if (!$run->{found} && $run->{text} =~ /"child-pid": *(\d+)/) {
    $run->{found} = 1;
    $run->{init} = pidfd($1, $run->{pid} // 0);
    kill_run($run) if $run->{killed};
  }
  delete $run->{status} if !$got;
}

# What bubblewrap left when it ended is of its sandbox, and has nobody else any more.
sub reap {
  my ($run) = @_;
  delete $run->{bubblewrap};
  waitpid delete $run->{pid}, 0;
  $run->{wait} = $?;
  my %known = map { $_->{pid} // 0 => 1 } values %runs;
  for my $pid (grep { !$known{$_} } children()) {
    kill 'KILL', $pid;
    waitpid $pid, 0;
  }
}

# Where the kernel does not list them (CONFIG_PROC_CHILDREN), the wall time ends the run instead.
sub children {
  open my $list, '<', "/proc/$$/task/$$/children" or return;
  return split ' ', <$list> // '';
}

sub listen_to {
  my ($run) = @_;
  my $got = sysread $run->{report}, $run->{said}, 4096, length $run->{said};
  delete $run->{report} if !$got || length $run->{said} > 4096;
}

# A handle on a process that stays right when its number is used again.
sub pidfd {
  my ($pid, $parent) = @_;
  my $fd = syscall $PIDFD_OPEN, $pid + 0, 0;
  return undef if $fd < 0;
  open my $handle, '<&=', $fd or return undef;
  open my $facts, '<', "/proc/$pid/status" or return undef;
  return (grep { /^PPid:\t$parent$/ } <$facts>) ? $handle : undef;
}

# Kills the init and so the whole process namespace; before it is known, as soon as it is.
sub kill_run {
  my ($run) = @_;
  $run->{killed} = 1;
  if ($run->{init}) { syscall $PIDFD_SEND_SIGNAL, fileno $run->{init}, 9, 0, 0 }
  elsif ($run->{found} && $run->{pid}) { kill 'KILL', $run->{pid} }
}

sub finish {
  my ($run) = @_;
  delete $runs{$run->{id}};
  reap($run) if $run->{pid};
  my @flags = map { $_ ? 1 : '' } @$run{qw(output killed)};
  say_end($run->{id}, '', $run->{wait} & 0x7f ? 1 : '', $run->{text}, @flags, $run->{said});
}

sub say_end { my ($id, @facts) = @_; say_frame($id, 'E', pack '(N/a*)*', @facts) }

sub say_frame {
  my ($id, $type, $body) = @_;
  $out .= pack 'N/a*', pack 'N a1 a*', $id, $type, $body;
}

sub flush_out {
  my $sent = syswrite STDOUT, $out, $CHUNK;
  if ($sent) { substr($out, 0, $sent) = '' }
  elsif (!$!{EAGAIN}) { $out = '' }
}

sub nonblocking { fcntl $_[0], F_SETFL, O_NONBLOCK }

# Whatever the daemon inherited itself must not reach a program.
sub close_inherited {
  opendir my $folder, '/proc/self/fd' or die;
  my @fds = grep { /^\d+$/ && $_ > 2 } readdir $folder;
  closedir $folder;
  POSIX::close($_) for @fds;
}
`
