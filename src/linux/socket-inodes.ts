import { type Dir, opendirSync, readlinkSync, statSync } from 'node:fs';
import { Slices } from '../common/slices.ts';
import { processStat } from './procfs.ts';

/**
 * Inode numbers of the sockets that a process has open, none if it has exited; null if this user may not inspect it.
 */
export type SocketInodes = ArrayLike<number> | null;

// A link takes 4 to 8 microseconds, nearly all of it in the kernel. Beyond this number a separate thread is better for
// all other work on this thread, although it takes 30 ms to start.
const MAX_HERE = 1000;
const LINK = /^socket:\[(\d+)\]$/;

/**
 * The sockets that each of these processes has open, from the links of /proc/PID/fd (proc_pid_fd(5)), in the order of
 * `pids`. Few are read in slices of milliseconds; many in a temporary thread.
 * @param maxHere how many descriptors are read on this thread
 */
export async function socketInodes(
  pids: readonly number[],
  slices: Slices = new Slices(),
  maxHere: number = MAX_HERE,
): Promise<SocketInodes[]> {
  const few = areMany(pids, maxHere) ? null : await readHere(pids, slices, maxHere);
  // Starting a thread takes a few milliseconds here.
  if (few === null) await slices.next();
  const all = few ?? (await readInThread(pids, slices).catch(() => null));
  // No further thread can be created (EAGAIN): reading here takes longer.
  const found = all ?? (await readHere(pids, slices, Number.POSITIVE_INFINITY)) ?? [];
  return pids.map((pid, index) => found[index] ?? (hasExited(pid) ? [] : null));
}

// Linux 6.2 and later report the number of descriptors as the size of the directory, earlier versions 0.
function areMany(pids: readonly number[], most: number): boolean {
  return pids.reduce((sum, pid) => sum + sizeOf(`/proc/${pid}/fd`), 0) > most;
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

// Everything in /proc of an exited process that was not reaped belongs to root.
function hasExited(pid: number): boolean {
  const state = processStat(pid)?.state ?? 'X';
  return state === 'Z' || state === 'X';
}

/** Null: there are more than the maximum. */
async function readHere(
  pids: readonly number[],
  slices: Slices,
  most: number,
): Promise<SocketInodes[] | null> {
  const all: SocketInodes[] = [];
  let left = most;
  for (const pid of pids) {
    const path = `/proc/${pid}/fd`;
    const inodes: number[] = [];
    const directory = open(path);
    all.push(directory === null ? null : inodes);
    try {
      for (let name = nextName(directory); name !== null; name = nextName(directory)) {
        if (left <= 0) return null;
        left -= 1;
        const inode = Number(LINK.exec(linkOf(`${path}/${name}`))?.[1] ?? 0);
        if (inode > 0) inodes.push(inode);
        if (slices.isOver()) await slices.next();
      }
    } finally {
      directory?.closeSync();
    }
  }
  return all;
}

function open(path: string): Dir | null {
  try {
    return opendirSync(path, { bufferSize: 128 });
  } catch {
    return null;
  }
}

function nextName(directory: Dir | null): string | null {
  try {
    return directory?.readSync()?.name ?? null;
  } catch {
    // ESRCH: the process exited meanwhile.
    return null;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

// As text, because a thread starts from a file or a text, and the program is bundled into one file.
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { readdirSync, readlinkSync } = require('node:fs');
const all = workerData.map((pid) => {
  const path = '/proc/' + pid + '/fd';
  try {
    return Float64Array.from(
      readdirSync(path).flatMap((name) => {
        try {
          const link = readlinkSync(path + '/' + name);
          return link.startsWith('socket:[') ? [Number(link.slice(8, -1))] : [];
        } catch {
          return [];
        }
      }),
    );
  } catch {
    return null;
  }
});
parentPort.postMessage(all);
`;

async function readInThread(pids: readonly number[], slices: Slices): Promise<SocketInodes[]> {
  const { Worker } = await import('node:worker_threads');
  await slices.next();
  return new Promise((resolve, reject) => {
    const thread = new Worker(THREAD, { eval: true, workerData: pids, env: {}, execArgv: [], argv: [] });
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', () => reject(new Error('the thread ended without an answer')));
  });
}
