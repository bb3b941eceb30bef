import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../../test/support/paths.ts';
import type { Scope } from '../../test/support/temporary.ts';
import type { Zero } from '../../test/support/zero.ts';
import { now, pause } from '../clock.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { processorTime } from '../process-state.ts';
import { withScope } from '../scope.ts';
import { portOf, supervise } from '../supervised.ts';

const WORKERS = 64;
const CONNECTIONS = 20_000;
const CLIENTS = 4;
/** The service also keeps the probes of the gate `accept`. */
const COUNTED = / 20\d{3} connections/;
const AT_MOST_MS = 150;
const EVENTS = 1_000;
const WINDOW_MS = 1_500;
const AT_MOST_PERCENT = 5;

export const operator: Measure = {
  name: 'operator',
  about: `\`zero status --config FILE\` with ${WORKERS} workers and ${CONNECTIONS} open connections, which it counts, compared with \`node -e 0\`: the difference of each pair, from the spawn to the exit. Then the processor time of a supervisor with ${EVENTS} events per second (warnings about a notification, which are also logged) and a client that follows the events, minus the same without the client, in turns of ${WINDOW_MS} ms.`,
  measure: (run) =>
    withScope(async (scope) => [await measureStatus(scope, run), await measureEvents(scope, run)]),
};

/** Accepts on descriptor 3 until the queue is empty, and keeps its connections. */
const KEEPER = `
  use IO::Handle; use IO::Select; open(my $l, "+<&=3") or die; $l->blocking(0); my $s = IO::Select->new($l); my @all;
  for (;;) { $s->can_read; while (accept(my $c, $l)) { push @all, $c } }`;
/** Opens connections to a port from its own address, reports that, and keeps them until its standard input ends. */
const CLIENT = `
  use IO::Socket::INET; my ($host, $port, $count) = @ARGV; my @all;
  for (1 .. $count) {
    push @all, IO::Socket::INET->new(LocalAddr => $host, PeerAddr => "127.0.0.1", PeerPort => $port) || die "$_: $!";
  }
  $| = 1; print "ready\\n"; <STDIN>;`;

async function measureStatus(scope: Scope, { pairs, progress }: Run): Promise<Figure> {
  const zero = await supervise(scope, { path: '/usr/bin/perl', args: ['-e', KEEPER], workers: WORKERS });
  const port = await portOf(zero);
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => openConnections(scope, index + 1, port)));
  const bare: number[] = [];
  const status: number[] = [];
  const command = [join(ROOT, 'bin/zero.js'), 'status', '--config', zero.config ?? ''];
  // The first round fills the page cache.
  for (let round = 0; round <= pairs; round += 1) {
    const alone = await timed(['-e', '0'], null);
    const counted = await timed(command, COUNTED);
    if (round > 0) {
      bare.push(alone);
      status.push(counted);
    }
    progress(`status ${round} of ${pairs}`);
  }
  return {
    name: `zero status, ${WORKERS} workers, ${CONNECTIONS} connections: more than node -e 0`,
    unit: 'ms',
    target: { atMost: AT_MOST_MS },
    values: status.map((time, index) => time - (bare[index] ?? Number.NaN)),
    samples: { status_ms: status, bare_node_ms: bare },
  };
}

async function openConnections(scope: Scope, index: number, port: number): Promise<void> {
  const args = [`127.0.1.${index}`, port, CONNECTIONS / CLIENTS].map(String);
  const client = spawn('perl', ['-e', CLIENT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  scope.after(() => void client.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: client.stdout }), 'line');
  if (line !== 'ready') throw new Error(`client ${index}: ${line}`);
}

/** Milliseconds from the spawn to the exit. The output must match. */
async function timed(args: readonly string[], wanted: RegExp | null): Promise<number> {
  const environment = { ...process.env };
  delete environment.NODE_OPTIONS;
  const begin = now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: environment });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  const [code] = await once(child, 'exit');
  const time = now() - begin;
  if (child.stdout.readable) await once(child.stdout, 'close');
  if (code !== 0 || (wanted !== null && !wanted.test(text)))
    throw new Error(`${args.join(' ')} ended with ${code}: ${text.slice(0, 500)}`);
  return time;
}

/** Sends zero a notification that causes a warning, at this rate per second: a main process that is not its own. */
const TELLER = `
  use IO::Socket::UNIX; use Time::HiRes qw(time sleep);
  my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET}) or die $!;
  for (my ($n, $begin) = (0, time);; ) {
    for (; $n < (time - $begin) * ${EVENTS}; $n++) { $s->send("MAINPID=1") }
    sleep 0.001;
  }`;

async function measureEvents(scope: Scope, { pairs, progress }: Run): Promise<Figure> {
  const zero = await supervise(scope, { path: '/usr/bin/perl', args: ['-e', TELLER], accepts: false });
  const alone: number[] = [];
  const followed: number[] = [];
  const rates: number[] = [];
  for (let round = 0; round <= pairs; round += 1) {
    const without = await share(zero.pid);
    const follower = await follow(scope, zero);
    const before = follower.events;
    const begin = now();
    const withOne = await share(zero.pid);
    const rate = ((follower.events - before) / (now() - begin)) * 1000;
    follower.socket.destroy();
    if (round > 0) {
      alone.push(without);
      followed.push(withOne);
      rates.push(rate);
    }
    progress(`events ${round} of ${pairs}`);
  }
  return {
    name: `a client that follows ${EVENTS} events a second`,
    unit: '% of a core',
    target: { atMost: AT_MOST_PERCENT },
    values: followed.map((percent, index) => percent - (alone[index] ?? Number.NaN)),
    samples: { with_percent: followed, without_percent: alone, events_a_second: rates },
  };
}

interface EventFollower {
  readonly socket: Socket;
  readonly events: number;
}

async function follow(scope: Scope, zero: Zero): Promise<EventFollower> {
  const socket = connect(join(zero.folder, 'run', 'control.sock'));
  scope.after(() => void socket.destroy());
  let events = 0;
  socket.on('data', (chunk: Buffer) => {
    for (let at = chunk.indexOf('\ndata: '); at >= 0; at = chunk.indexOf('\ndata: ', at + 1)) events += 1;
  });
  socket.write('GET /v1/events HTTP/1.1\r\nHost: zero\r\n\r\n');
  await once(socket, 'data');
  return {
    socket,
    get events() {
      return events;
    },
  };
}

/**
 * Share of one core, in per cent, that all threads of a process use in a time window (/proc/PID/schedstat: nanoseconds
 * of processor time).
 */
async function share(pid: number): Promise<number> {
  const begin = now();
  const before = processorTime(pid);
  await pause(WINDOW_MS);
  return ((processorTime(pid) - before) / (now() - begin)) * 100;
}
