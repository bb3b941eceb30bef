import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { InetAddress } from '../../src/linux/sock_diag.ts';
import {
  bindSocket,
  closeFd,
  listenSocket,
  localAddress,
  openSocket,
  setOption,
} from '../../src/linux/sockets.ts';
import type { Scope } from '../../test/support/temporary.ts';
import type { DrainReading } from '../drain-reader.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { withScope } from '../scope.ts';

const WORKERS = 4;
const EACH = 5_000;
const AT_MOST_MS = 100;
const AT_MOST_IN_ONE_PIECE_MS = 5;
/**
 * Addresses of the client processes. With separate addresses, ports of other connections in TIME_WAIT do not matter.
 */
const CLIENTS = ['127.0.0.2', '127.0.0.3'];
const READER = fileURLToPath(new URL('../drain-reader.js', import.meta.url));

const SERVICE = `
const open = new Set();
require('node:net').createServer((socket) => { open.add(socket); socket.resume(); }).listen({ fd: 3 }, () => console.log('up'));
`;
const CLIENT = `
const [port, count, from] = process.argv.slice(1);
const open = [];
const next = () => {
  if (open.length === Number(count)) return console.log('up');
  const to = { port: Number(port), host: '127.0.0.1', localAddress: from };
  const socket = require('node:net').connect(to, () => { open.push(socket); next(); });
};
next();
`;

export const drain: Measure = {
  name: 'drain',
  about: `The cost for the supervisor's main thread to find the owner and the state of ${WORKERS} x ${EACH} open connections when a generation begins to retire: total processor time, and the longest time between two turns of the event loop. Each value is from a new process, whose code has never run before. Later readings only check the connections that were busy, and take microseconds.`,
  measure: (run) => withScope((scope) => measureDrain(scope, run)),
};

async function measureDrain(scope: Scope, { pairs, progress }: Run): Promise<Figure[]> {
  const { port, pids } = await openConnections(scope);
  const totals: number[] = [];
  const pieces: number[] = [];
  for (let round = 1; round <= pairs; round += 1) {
    totals.push((await read('all', port, pids)).total ?? Number.NaN);
    pieces.push((await read('turns', port, pids)).longest ?? Number.NaN);
    progress(`${round} of ${pairs}`);
  }
  const figure = (name: string, atMost: number, values: readonly number[]): Figure => ({
    name: `reading ${WORKERS} x ${EACH} open connections, ${name}`,
    unit: 'ms',
    target: { atMost },
    values,
    samples: { ms: values },
  });
  return [figure('in all', AT_MOST_MS, totals), figure('longest piece', AT_MOST_IN_ONE_PIECE_MS, pieces)];
}

/** Starts workers on lanes of one address, each with its connections. */
async function openConnections(scope: Scope): Promise<{ port: number; pids: readonly number[] }> {
  const pids: number[] = [];
  const lanes: number[] = [];
  let port = 0;
  for (let index = 0; index < WORKERS; index += 1) {
    const lane = openSocket('inet', 'stream');
    setOption(lane, 'reuse_port', 1);
    bindSocket(lane, { family: 'inet', host: '127.0.0.1', port });
    listenSocket(lane, 4096);
    port = (localAddress(lane) as InetAddress).port;
    lanes.push(lane);
  }
  for (const lane of lanes) pids.push(await start(scope, SERVICE, [], [lane]));
  for (const lane of lanes) closeFd(lane);
  const share = String((WORKERS * EACH) / CLIENTS.length);
  await Promise.all(CLIENTS.map((from) => start(scope, CLIENT, [String(port), share, from], [])));
  return { port, pids };
}

/** Resolves to the pid when the process reports that it is up. */
async function start(
  scope: Scope,
  code: string,
  args: readonly string[],
  descriptors: readonly number[],
): Promise<number> {
  const child = spawn(process.execPath, ['-e', code, '--', ...args], {
    stdio: ['ignore', 'pipe', 'inherit', ...descriptors],
  });
  scope.after(() => void child.kill('SIGKILL'));
  if (child.stdout === null || child.pid === undefined) throw new Error('could not be started');
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`exited with ${code} before it was up`);
  });
  await Promise.race([once(child.stdout, 'data'), ended]);
  ended.catch(() => undefined);
  return child.pid;
}

async function read(what: 'all' | 'turns', port: number, pids: readonly number[]): Promise<DrainReading> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    READER,
    what,
    String(port),
    ...pids.map(String),
  ]);
  const reading: DrainReading = JSON.parse(stdout);
  if (reading.connections !== WORKERS * EACH)
    throw new Error(`${reading.connections} connections were found`);
  return reading;
}
