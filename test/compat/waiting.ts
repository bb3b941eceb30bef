// How the processes of a server wait for connections on the sockets from zero: /proc/PID/fdinfo of proc(5).
import { constants, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { listProcesses } from '../../src/linux/procfs.ts';
import { listenQueues } from '../support/sockets.ts';

/** One socket from zero, in a serving server. */
export interface PassedSocket {
  readonly isBlocking: boolean;
  /** Event loops that wait for it: each epoll instance that contains it, in each process. */
  readonly loops: number;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    // The process has exited, or has closed the descriptor.
    return '';
  }
}

/** The lines of a kernel table, split into fields. */
const table = (file: string): string[][] =>
  read(file)
    .split('\n')
    .map((line) => line.trim().split(/\s+/));

/** Inodes of the sockets at an address of zero's config. */
function inodesAt(address: string): Set<number> {
  const [, path] = /^unix(?:gram)?:(.*)$/.exec(address) ?? [];
  if (path !== undefined) {
    // An accepted connection has the same path. 10000 is __SO_ACCEPTCON of a listening socket, 0002 is SOCK_DGRAM.
    const found = table('/proc/net/unix').filter(
      ([, , , flags, type, , , own]) => own === path && (flags === '00010000' || type === '0002'),
    );
    return new Set(found.map((fields) => Number(fields[6])));
  }
  const port = Number(address.split(':').at(-1));
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const udp = table('/proc/net/udp').filter((fields) => fields[1]?.endsWith(ending));
  return new Set([
    ...listenQueues(port).map(({ inode }) => inode),
    ...udp.map((fields) => Number(fields[9])),
  ]);
}

/** These processes and all their descendants. */
function familyOf(pids: readonly number[]): number[] {
  const processes = listProcesses();
  const family = new Set(pids);
  for (let before = 0; before < family.size; ) {
    before = family.size;
    for (const { pid, ppid } of processes) if (family.has(ppid)) family.add(pid);
  }
  return [...family];
}

/** Descriptors of a process with their targets, such as `socket:[1234]`. */
function descriptorsOf(pid: number): Map<number, string> {
  const folder = `/proc/${pid}/fd`;
  const descriptors = new Map<number, string>();
  try {
    for (const name of readdirSync(folder)) descriptors.set(Number(name), target(`${folder}/${name}`));
  } catch {
    // The process has exited.
  }
  return descriptors;
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return 'closed';
  }
}

/** For example `non-blocking, in 2 event loops`. */
export function describeSocket({ isBlocking, loops }: PassedSocket): string {
  const mode = isBlocking ? 'blocking' : 'non-blocking';
  return loops === 0 ? mode : `${mode}, in ${loops} event loop${loops === 1 ? '' : 's'}`;
}

/**
 * The sockets at an address that processes of the workers hold.
 * @param address of a listener, in the form of the config
 * @param workers their main processes
 */
export function passedSockets(address: string, workers: readonly number[]): PassedSocket[] {
  const known = new Set([...inodesAt(address)].map((inode) => `socket:[${inode}]`));
  const found = new Map<string, { isBlocking: boolean; loops: number }>();
  for (const pid of familyOf(workers)) {
    const descriptors = descriptorsOf(pid);
    for (const [fd, what] of descriptors) {
      const info = read(`/proc/${pid}/fdinfo/${fd}`);
      if (known.has(what) && !found.has(what)) {
        const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)?.[1] ?? '0', 8);
        found.set(what, { isBlocking: (flags & constants.O_NONBLOCK) === 0, loops: 0 });
      }
    }
    for (const [fd, what] of descriptors) {
      if (what !== 'anon_inode:[eventpoll]') continue;
      for (const [, watched] of read(`/proc/${pid}/fdinfo/${fd}`).matchAll(/^tfd:\s+(\d+)/gm)) {
        const socket = found.get(descriptors.get(Number(watched)) ?? '');
        if (socket) socket.loops += 1;
      }
    }
  }
  return [...found.values()];
}
