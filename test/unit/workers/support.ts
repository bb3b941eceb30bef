import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { Address } from '../../../src/config/address.ts';
import type { RuntimeConfig } from '../../../src/config/schema.ts';
import type { ExitStatus, Usage } from '../../../src/lifecycle/facts.ts';
import { linux } from '../../../src/linux/kernel.ts';
import type { SocketAddress } from '../../../src/linux/sockaddr.ts';
import { spawnProcess } from '../../../src/linux/spawn.ts';
import type { WorkerListener } from '../../../src/workers/conventions/convention.ts';
import { LineForwarder } from '../../../src/workers/output/line-forwarder.ts';
import { WorkerOutput } from '../../../src/workers/output/output.ts';
import { ProcessTable } from '../../../src/workers/processes/process-table.ts';
import { killSessions } from '../../../src/workers/processes/stopper.ts';
import { Sink } from '../../../src/writing/sink.ts';

/** A directory for this test file, removed at its end. */
export const folder = mkdtempSync(join(tmpdir(), 'zero-workers-'));

/** The only owner of this test file's processes. */
export const table = new ProcessTable(linux);
const sessions = new Set<number>();
// A signal handler alone does not keep the event loop alive.
const alive = setInterval(() => {}, 1 << 30);

table.start();
after(() => {
  for (const session of sessions) killSessions(linux, [session]);
  table.close();
  clearInterval(alive);
  rmSync(folder, { recursive: true, force: true });
});

export interface Ended {
  readonly pid: number;
  readonly status: ExitStatus;
  readonly usage: Usage | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Adopts a process of a test. Returns its exit as a promise, and kills its session at the end of the file. */
export function ended(pid: number): Promise<{ status: ExitStatus; usage: Usage | null }> {
  sessions.add(pid);
  return new Promise((resolve) => table.adopt(pid, (status, usage) => resolve({ status, usage })));
}

let outputs = 0;

/** A new file for the output of a process, and a function that reads it. */
export function outputFile(): { fd: number; read: () => Buffer } {
  outputs += 1;
  const path = join(folder, `output-${outputs}`);
  const fd = openSync(path, 'w');
  const read = () => {
    closeSync(fd);
    return readFileSync(path);
  };
  return { fd, read };
}

/**
 * Starts a shell script. `line` returns its lines one by one, `exit` its exit. Every session is killed at the end of
 * the file, so the script may wait forever.
 */
export function script(text: string, environment: readonly string[] = []) {
  const lines = new Lines();
  const output = WorkerOutput.open(linux, {
    stdout: new LineForwarder(lines.sink),
    stderr: new LineForwarder(lines.sink),
    owner: null,
  });
  const { stdout, stderr } = output.childEnds;
  const descriptors = new Map([
    [1, stdout],
    [2, stderr],
  ]);
  const argv = ['sh', '-c', text];
  const pid = spawnProcess({
    path: '/bin/sh',
    argv,
    environment: ['PATH=/usr/bin:/bin', ...environment],
    descriptors,
  });
  output.closeChildEnds();
  after(() => output.close());
  return { pid, exit: ended(pid), line: () => lines.next() };
}

/** Splits the data of its sink into lines. */
class Lines {
  readonly sink: Sink;
  readonly #arrived: string[] = [];
  readonly #waiting: ((line: string) => void)[] = [];

  constructor() {
    const write = (bytes: Buffer, done: (error: null, written: number) => void) => {
      for (const line of bytes.toString().split('\n').slice(0, -1)) this.#add(line);
      setImmediate(() => done(null, bytes.length));
    };
    const target = { write, close: () => {} };
    this.sink = new Sink({ fd: -1, system: { open: () => target, after: () => () => {} } });
  }

  async next(): Promise<string> {
    return this.#arrived.shift() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  #add(line: string): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#arrived.push(line);
    else waiting(line);
  }
}

/** Shells of this machine under the name `sh`, each in its own directory. */
export const shells = ['dash', 'bash', 'busybox']
  .filter((name) => existsSync(`/bin/${name}`))
  .map((name) => {
    const directory = join(folder, name);
    mkdirSync(directory);
    symlinkSync(`/bin/${name}`, join(directory, 'sh'));
    return { name, path: join(directory, 'sh') };
  });

/** The entries of /proc/PID/environ or cmdline, each byte as one character. */
export function entries(bytes: Buffer): string[] {
  return bytes.toString('latin1').replace(/\0$/, '').split('\0');
}

/** A listener of a specification. The caller owns the descriptor. */
export function listener(
  name: string,
  target: number,
  address: SocketAddress,
  network: Address['network'] = address.family === 'unix' ? 'unix' : 'tcp',
  fd = -1,
): WorkerListener {
  const text =
    address.family === 'unix'
      ? address.path
      : address.family === 'inet6'
        ? `[${address.host}]:${address.port}`
        : `${address.host}:${address.port}`;
  return { name, fd, target, address, text, config: { address: configured(address, network, text) } };
}

function configured(address: SocketAddress, network: Address['network'], text: string): Address {
  if (address.family === 'unix') {
    return { kind: 'unix', network: network === 'unixgram' ? 'unixgram' : 'unix', path: address.path, text };
  }
  const inet = network === 'unix' || network === 'unixgram' ? 'tcp' : network;
  return { kind: 'inet', network: inet, host: address.host, port: address.port, text };
}

/** The runtime part of a config with defaults. */
export function runtimeConfig(changes: Partial<RuntimeConfig> & { path: string }): RuntimeConfig {
  return {
    name: 'test',
    directory: folder,
    args: [],
    environment: [],
    inherit_environment: false,
    limits: {},
    no_new_privs: false,
    capabilities: [],
    workers: 1,
    protocols: ['systemd', 'server_starter', 'einhorn', 'notify'],
    forward_signals: [],
    ...changes,
  };
}

/** An environment from `NAME`, `value` pairs, characters as bytes. */
export function environmentOf(variables: Readonly<Record<string, string>>): Map<string, Buffer> {
  return new Map(Object.entries(variables).map(([name, value]) => [name, Buffer.from(value, 'latin1')]));
}
