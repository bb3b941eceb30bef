import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Scope, temporaryFolder } from '../../test/support/temporary.ts';
import type { Zero } from '../../test/support/zero.ts';
import { now, pause } from '../clock.ts';
import type { Measure, Run } from '../figures.ts';
import type { LoopDelay } from '../loop-delay.ts';
import { privateDirty, processorTimeInSteps } from '../process-state.ts';
import { withScope } from '../scope.ts';
import { supervise } from '../supervised.ts';
import { directFigures } from './growth-direct.ts';
import { historyFigures } from './growth-history.ts';

/** The size of a supervisor's task. */
interface Size {
  readonly listeners: number;
  readonly workers: number;
  readonly connections: number;
}

/** The handovers of one supervisor, in milliseconds. */
interface Samples {
  /** From SIGHUP until the candidate is promoted. */
  readonly handover: number[];
  /** Processor time of the supervisor from SIGHUP until the old generation has exited. */
  readonly cpu: number[];
  /** Delays of timers on the supervisor's main thread: the 99.9th percentile and the maximum. */
  readonly late: number[];
  readonly latest: number[];
  /** The slowest answer of the control socket. */
  readonly answer: number[];
  /** Private memory of the supervisor at rest, in MB. */
  readonly memory: number[];
}

const ONE: Size = { listeners: 1, workers: 1, connections: 0 };

type Targets = { readonly [Name in keyof Samples]?: number };

/** Limits for every size, which a main thread that is not blocked meets. */
const RESPONSIVE: Targets = { late: 20, latest: 50 };
const SIZES: readonly {
  readonly name: string;
  readonly size: Size;
  /** The plots that contain this size. */
  readonly axes: readonly (keyof Size)[];
  readonly targets: Targets;
}[] = [
  { name: '1 listener, 1 worker', size: ONE, axes: ['listeners', 'workers'], targets: RESPONSIVE },
  ...[10, 100, 300].map((listeners) => ({
    name: `${listeners} listeners`,
    size: { ...ONE, listeners },
    axes: ['listeners'] as const,
    targets: RESPONSIVE,
  })),
  {
    name: '1,000 listeners',
    size: { ...ONE, listeners: 1_000 },
    axes: ['listeners'],
    targets: { ...RESPONSIVE, handover: 1_500, answer: 100, memory: 40 },
  },
  ...[8, 32, 64].map((workers) => ({
    name: `${workers} workers`,
    size: { ...ONE, workers },
    axes: ['workers'] as const,
    targets: { ...RESPONSIVE, cpu: 8 * workers },
  })),
  ...[0, 5_000, 20_000].map((connections) => ({
    name: `16 listeners, ${connections.toLocaleString('en-US')} connections`,
    size: { listeners: 16, workers: 4, connections },
    axes: ['connections'] as const,
    targets: connections === 20_000 ? { ...RESPONSIVE, cpu: 150 } : RESPONSIVE,
  })),
];

const LOOP_DELAY = new URL('../loop-delay.js', import.meta.url).href;
const CLIENTS = 4;
// The supervisor releases memory 20 s after the last handover.
const REST_MS = 30_000;
const ASK_EVERY_MS = 100;

/** Accepts on every inherited descriptor, sends hello, and keeps its connections. */
const SERVICE = `
  use IO::Handle; use IO::Select; my $s = IO::Select->new;
  for my $fd (3 .. 2 + $ENV{LISTEN_FDS}) { open(my $l, "+<&=$fd") or die "$fd: $!"; $l->blocking(0); $s->add($l) }
  my @all;
  for (;;) { for my $l ($s->can_read) { while (accept(my $c, $l)) { syswrite($c, "hello\\n"); push @all, $c } } }`;
/** Opens a number of connections from its own address to each port in turn, reports that, and keeps them. */
const CLIENT = `
  use IO::Socket::INET; my ($host, $count, @ports) = @ARGV; my @all;
  for my $n (1 .. $count) {
    push @all, IO::Socket::INET->new(LocalAddr => $host, PeerAddr => "127.0.0.1", PeerPort => $ports[$n % @ports]) || die "$n: $!";
  }
  $| = 1; print "ready\\n"; <STDIN>;`;

const ABOUT = [
  'Handovers of one supervisor with an increasing number of listeners, workers and open connections. The service is a',
  'short Perl program that starts at once. One handover is measured from outside. In the next one the event-loop delay of the main thread is',
  'measured (perf_hooks, with a resolution of 1 ms, which takes processor time as well; parsing the config is part of it), and',
  `in the third another process requests the status every ${ASK_EVERY_MS} ms. Memory is measured ${REST_MS / 1000} s after the last one. History is read and`,
  'written in at most two files of 256 KiB, for any number of generations: starts, handovers and',
  '`zero history` are measured with 1 to 10,000 of them. A handover of 64 workers is compared in pairs with a start of the',
  'same 64 processes by a plain Node program, until each has answered a connection.',
].join(' ');

const FIGURES: readonly { readonly of: keyof Samples; readonly what: string; readonly unit: string }[] = [
  { of: 'handover', what: 'signal to promotion', unit: 'ms' },
  { of: 'cpu', what: 'processor time of a handover', unit: 'ms' },
  { of: 'late', what: 'main thread blocked, p99.9', unit: 'ms' },
  { of: 'latest', what: 'main thread blocked, longest', unit: 'ms' },
  { of: 'answer', what: 'slowest answer of the control socket', unit: 'ms' },
  { of: 'memory', what: 'private memory at rest', unit: 'MB' },
];

export const growth: Measure = {
  name: 'growth',
  about: ABOUT,
  async measure(run) {
    const service = { path: '/usr/bin/perl', args: ['-e', SERVICE] };
    const figures = [...(await directFigures(service, run)), ...(await historyFigures(service, run))];
    for (const { name, size, axes, targets } of SIZES) {
      const samples = await withScope((scope) => measureSize(scope, size, run, name));
      for (const { of, what, unit } of FIGURES) {
        const [values, atMost] = [samples[of], targets[of]];
        const target = atMost === undefined ? null : { atMost };
        const points = axes.map((axis) => ({ axis, panel: what, x: size[axis] }));
        figures.push({ name: `${name}: ${what}`, unit, target, values, samples: { values }, points });
      }
    }
    return figures;
  },
};

async function measureSize(
  scope: Scope,
  size: Size,
  { pairs, progress }: Run,
  name: string,
): Promise<Samples> {
  const loop = join(temporaryFolder(scope), 'loop.sock');
  const zero = await supervise(scope, {
    path: '/usr/bin/perl',
    args: ['-e', SERVICE],
    ...size,
    environment: {
      ZERO_BENCH_LOOP: loop,
      NODE_OPTIONS: `--import=${LOOP_DELAY}`,
    },
  });
  const samples: Samples = { handover: [], cpu: [], late: [], latest: [], answer: [], memory: [] };
  for (let round = 1; round <= pairs; round += 1) {
    progress(`${name}: ${round} of ${pairs}`);
    let clients = await openConnections(scope, zero, size.connections);
    const { handover, cpu } = await timedReload(zero);
    samples.handover.push(handover);
    samples.cpu.push(cpu);
    for (const client of clients) client.kill('SIGKILL');
    clients = await openConnections(scope, zero, size.connections);
    await readDelay(loop);
    await timedReload(zero);
    const { p999, max } = await readDelay(loop);
    samples.late.push(p999);
    samples.latest.push(max);
    for (const client of clients) client.kill('SIGKILL');
    const asking = ask(join(zero.folder, 'run', 'control.sock'));
    await timedReload(zero);
    samples.answer.push(await asking.stop());
  }
  progress(`${name}: rest`);
  await pause(REST_MS);
  samples.memory.push(privateDirty(zero.pid));
  zero.signal('SIGQUIT');
  await zero.exited;
  return samples;
}

async function timedReload(zero: Zero): Promise<{ handover: number; cpu: number }> {
  const { cursor } = zero;
  const begin = now();
  const before = processorTimeInSteps(zero.pid);
  zero.signal('SIGHUP');
  await zero.fact('handover_finished', { outcome: 'promoted' }, cursor);
  const handover = now() - begin;
  await zero.fact('generation_gone', {}, cursor);
  return { handover, cpu: processorTimeInSteps(zero.pid) - before };
}

/** Each client has its own address, so that there are always enough ports. The next round uses other addresses. */
let address = 0;

async function openConnections(scope: Scope, zero: Zero, count: number): Promise<ChildProcess[]> {
  if (count === 0) return [];
  const ports = zero.log.all('listener_bound').map((bound) => bound.address.split(':').at(-1) ?? '');
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      address += 1;
      const host = `127.1.${address >> 8}.${address & 255}`;
      const client = spawn('perl', ['-e', CLIENT, host, String(count / CLIENTS), ...ports], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      scope.after(() => void client.kill('SIGKILL'));
      const [line] = await once(createInterface({ input: client.stdout }), 'line');
      if (line !== 'ready') throw new Error(`client ${host}: ${line}`);
      return client;
    }),
  );
  // A connection counts as idle one second after the last byte.
  await pause(1_500);
  return clients;
}

function readDelay(path: string): Promise<LoopDelay> {
  return new Promise((resolve, reject) => {
    let text = '';
    connect(path)
      .on('data', (chunk) => {
        text += chunk;
      })
      .on('end', () => resolve(JSON.parse(text)))
      .on('error', reject);
  });
}

/** Requests the status continuously in its own process. `stop` resolves to the time of the slowest answer. */
function ask(path: string): { stop(): Promise<number> } {
  const program = fileURLToPath(new URL('../slowest-answer.js', import.meta.url));
  const child = spawn(process.execPath, [program, path, String(ASK_EVERY_MS)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return {
    async stop() {
      const line = once(createInterface({ input: child.stdout }), 'line');
      child.stdin.end();
      return Number((await line)[0]);
    },
  };
}
