/** Attack: a program talks to the host over loopback or a socket without a name in the file system. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { openSandbox, printed } from '../kit/sandbox.ts'

const CONNECT = `
use Socket;
my ($kind, $where) = @ARGV;
my $family = $kind eq 'inet' ? AF_INET : AF_UNIX;
socket(my $socket, $family, SOCK_STREAM, 0) or exit 4;
my $to = $kind eq 'inet' ? sockaddr_in($where, inet_aton('127.0.0.1')) : sockaddr_un("\\0$where");
connect($socket, $to) ? print 'connected' : print "no: $!";
`

test('the network of a program is empty', async (context) => {
  const sandbox = await openSandbox(context)
  if (!sandbox) return
  let connections = 0
  const inet = createServer(() => (connections += 1)).listen(0, '127.0.0.1')
  const abstract = createServer(() => (connections += 1)).listen(`\0kos-test-${process.pid}`)
  context.after(() => [inet, abstract].map((server) => server.close()))
  for (const server of [inet, abstract]) if (!server.listening) await once(server, 'listening')
  const port = String((inet.address() as AddressInfo).port)
  for (const target of [
    ['inet', port],
    ['unix', `kos-test-${process.pid}`],
  ] as const) {
    const ended = await sandbox.run({
      program: '/usr/bin/perl',
      arguments: ['-e', CONNECT, ...target],
    })
    assert.ok(!('allow' in ended))
    assert.match(printed(ended).out, /^no: /, target[0])
  }
  assert.equal(connections, 0)
  const interfaces = printed(await sandbox.script('cat /proc/net/dev')).out
  assert.deepEqual(
    interfaces.split('\n').flatMap((line) => /^ *(\w+):/.exec(line)?.[1] ?? []),
    ['lo'],
  )
})
