import { type ChildProcess, spawn } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import koffi from 'koffi';
import { Slices } from '../src/linux/slices.ts';
import type { InetAddress } from '../src/linux/sock_diag.ts';
import { bindSocket, listenSocket, localAddress, openSocket, setOption } from '../src/linux/sockets.ts';
import { type ConnectionCount, WorkerConnections } from '../src/workers/connections.ts';

/** What reading the open connections of workers that are to leave costs the supervisor. Times in milliseconds of its main thread. */
export interface DrainFigures {
  readonly workers: number;
  readonly connections: number;
  readonly busy: number;
  /** The very first reading, which finds out whose each connection is, and the median of such ones in a process that has done it before. */
  readonly first: number;
  readonly warm: number;
  /** One that finds those busy that were. */
  readonly again: number;
  readonly longestPiece: number;
}

const SERVICE = `
const open = new Set();
require('node:net').createServer((socket) => { open.add(socket); socket.resume(); }).listen({ fd: 3 }, () => console.log('up'));
`;
const CLIENT = `
const [port, count] = process.argv.slice(1).map(Number);
const open = [];
const next = () => {
  if (open.length === count) return console.log('up');
  const socket = require('node:net').connect(port, '127.0.0.1', () => { open.push(socket); next(); });
};
next();
`;
const READINGS = 5;

/** Opens so many connections to so many workers behind one address, and reads them as a retiring generation is read. */
export async function measureDrain(workers = 4, perWorker = 5000): Promise<DrainFigures> {
  const children: ChildProcess[] = [];
  const start = async (code: string, args: readonly string[], descriptors: readonly number[]) => {
    const child = spawn(process.execPath, ['-e', code, '--', ...args], {
      stdio: ['ignore', 'pipe', 'inherit', ...descriptors],
    });
    children.push(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    return child.pid ?? 0;
  };
  try {
    const lanes: number[] = [];
    let port = 0;
    for (let index = 0; index < workers; index += 1) {
      const lane = openSocket('inet', 'stream');
      setOption(lane, 'reuse_port', 1);
      bindSocket(lane, { family: 'inet', host: '127.0.0.1', port });
      listenSocket(lane, 4096);
      port = (localAddress(lane) as InetAddress).port;
      lanes.push(lane);
    }
    const pids: number[] = [];
    for (const lane of lanes) pids.push(await start(SERVICE, [], [lane]));
    const half = String(Math.ceil((workers * perWorker) / 2));
    await Promise.all([1, 2].map(() => start(CLIENT, [String(port), half], [])));
    return await measure(port, pids);
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

async function measure(port: number, pids: readonly number[]): Promise<DrainFigures> {
  const pieces: number[] = [];
  const first: number[] = [];
  const again: number[] = [];
  let counts: ReadonlyMap<number, ConnectionCount> = new Map();
  for (let index = 0; index < READINGS; index += 1) {
    const reader = new WorkerConnections<number>(
      () => ({ ports: [port], names: [] }),
      () => new MeasuredSlices(pieces),
    );
    reader.follow(new Map(pids.map((pid) => [pid, () => [pid]])));
    counts = await timed(() => reader.read(), first);
    const start = performance.now();
    await reader.read();
    again.push(performance.now() - start);
  }
  const all = [...counts.values()];
  return {
    workers: pids.length,
    connections: all.reduce((sum, { open }) => sum + (open ?? 0), 0),
    busy: all.reduce((sum, { busy }) => sum + busy, 0),
    first: round(first[0]),
    warm: median(first.slice(1)),
    again: median(again),
    longestPiece: round(Math.max(...pieces)),
  };
}

class MeasuredSlices extends Slices {
  readonly #pieces: number[];
  #start = cpuTime();

  constructor(pieces: number[]) {
    super();
    this.#pieces = pieces;
  }

  override async next(): Promise<void> {
    this.#pieces.push(cpuTime() - this.#start);
    await super.next();
    this.#start = cpuTime();
  }
}

async function timed<T>(run: () => Promise<T>, times: number[]): Promise<T> {
  const before = cpuTime();
  const result = await run();
  times.push(cpuTime() - before);
  return result;
}

const CLOCK_THREAD_CPUTIME_ID = 3;
const timespec = Buffer.alloc(16);
const clockGettime = koffi.load('libc.so.6').func('int clock_gettime(int, void*)');

/** Milliseconds that the main thread has had a processor: what others on the machine do does not count (clock_gettime(2)). */
function cpuTime(): number {
  clockGettime(CLOCK_THREAD_CPUTIME_ID, timespec);
  return Number(timespec.readBigInt64LE(0)) * 1000 + Number(timespec.readBigInt64LE(8)) / 1e6;
}

function median(values: readonly number[]): number {
  return round([...values].sort((one, other) => one - other)[Math.floor(values.length / 2)]);
}

function round(value = 0): number {
  return Math.round(value * 100) / 100;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const given = process.argv.slice(2).map(Number);
  process.stdout.write(`${JSON.stringify(await measureDrain(...given))}\n`);
}
