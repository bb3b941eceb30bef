import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect as netConnect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { parseAddress } from '../../../src/config/address.ts';
import type { ListenerConfig } from '../../../src/config/schema.ts';
import { errnoNumber } from '../../../src/linux/errors.ts';
import { type Libc, rawCall, useLibc } from '../../../src/linux/libc.ts';
import { duplicateAbove } from '../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../src/listeners/listener-set.ts';
import type { Acquired } from '../../../src/listeners/listeners.ts';

/** A listener of a config with the defaults of the schema. */
export function listener(
  name: string,
  address: string,
  settings: Partial<ListenerConfig> = {},
): ListenerConfig {
  const parsed = parseAddress(address);
  if (!('value' in parsed)) throw new Error(parsed.problem);
  return {
    name,
    address: parsed.value,
    steer: 'auto',
    socket_fd: 3,
    backlog: 4096,
    options: {},
    ...settings,
  };
}

/** Acquires listeners, and releases them at the end of the test. */
export async function acquire(
  t: TestContext,
  spec: readonly ListenerConfig[],
  set: ListenerSet = new ListenerSet(),
): Promise<Acquired> {
  const acquired = await set.acquire(spec);
  t.after(() => acquired.release());
  return acquired;
}

/** The one listener of `acquired`. */
export function only(acquired: Acquired): Acquired['listeners'][number] {
  const [first, ...rest] = acquired.listeners;
  if (first === undefined || rest.length > 0) throw new Error('not exactly one listener');
  return first;
}

export function portOf(one: Acquired['listeners'][number]): number {
  if (one.address.family === 'unix') throw new Error('a Unix socket has no port');
  return one.address.port;
}

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'zero-listeners-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A connected client, destroyed at the end of the test. */
export async function connect(
  t: TestContext,
  to: { port: number; host: string } | { path: string },
): Promise<Socket> {
  const client = netConnect(to);
  t.after(() => client.destroy());
  await once(client, 'connect');
  return client;
}

/** Accepts on a duplicate of the descriptor, as a service with an inherited one does, and greets each connection. */
export function serve(t: TestContext, fd: number, greeting: string): void {
  const server = createServer((connection) => connection.end(greeting));
  t.after(() => server.close());
  server.listen({ fd: duplicateAbove(fd, 3) });
}

/** Everything that the server sends. */
export async function readAll(client: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of client) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Runs CommonJS code in another process and waits for its first line. */
export async function startProgram(
  t: TestContext,
  code: string,
  options: { uid?: number } = {},
): Promise<{ pid: number; line: string; child: ChildProcess }> {
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'], ...options });
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
  if (child.pid === undefined || child.stdout === null) throw new Error('the program did not start');
  const [line] = await once(createInterface(child.stdout), 'line');
  return { pid: child.pid, line: String(line), child };
}

type CalledFunction = 'bind' | 'connect' | 'listen' | 'setsockopt' | 'socket';
type PlainCall = (name: string, ...args: unknown[]) => number;

/**
 * Passes every call of a function of the C library to `decide`, with a function that makes the real call. The result
 * ends the interception, as the end of the test does. Interceptions do not nest.
 */
export function intercept(
  t: TestContext,
  name: CalledFunction,
  decide: (real: () => number) => number,
): () => void {
  let restore = (): void => {};
  const install = (): void => {
    const fake = (...args: unknown[]): number =>
      decide(() => {
        restore();
        const result = (rawCall as unknown as PlainCall)(name, ...args);
        install();
        return result;
      });
    const replacement: Partial<Libc> = { [name]: fake };
    restore = useLibc(replacement);
  };
  const stop = (): void => restore();
  install();
  t.after(stop);
  return stop;
}

/** Makes one call of a function of the C library fail, the `nth` from now on. All others reach the kernel. */
export function failOnce(t: TestContext, name: CalledFunction, code: string, nth = 1): void {
  let left = nth;
  const stop = intercept(t, name, (real) => {
    left -= 1;
    if (left > 0) return real();
    stop();
    const restore = useLibc({
      errno: () => {
        restore();
        return errnoNumber(code);
      },
    });
    return -1;
  });
}

/** zero's name for a process that runs this Node without arguments: at most 60 characters. */
export const NODE_NAME =
  process.execPath.length > 60 ? `${process.execPath.slice(0, 57)}...` : process.execPath;
