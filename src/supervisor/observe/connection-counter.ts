import { statSync } from 'node:fs';
import { listProcesses } from '../../linux/procfs.ts';
import { socketInodes } from '../../linux/socket-inodes.ts';
import { acceptedTcp } from '../../linux/tcp-accepted.ts';
import { unixConnectionsAt } from '../../linux/unix-diag.ts';
import { membersOf } from '../../linux/worker-processes.ts';
import type { Listeners } from '../../listeners/listeners.ts';
import type { Generations } from '../run/generations.ts';
import { unixNames } from '../run/unix-names.ts';
import { SharedReading } from './shared-reading.ts';

export type ConnectionCounts = ReadonlyMap<number, number | null>;

/**
 * Counts the open connections of each generation on request. All generations have the same addresses. If there are
 * several generations, the descriptors of the processes (proc_pid_fd(5)) show which one has a connection. The largest
 * generation would take most of the work, so it gets the rest after the others are counted. A single generation has all
 * connections.
 */
export class ConnectionCounter {
  readonly #processes: Generations['processes'];
  readonly #listeners: Listeners;
  readonly #shared: SharedReading<ConnectionCounts>;

  constructor(processes: Generations['processes'], listeners: Listeners, now: () => number) {
    this.#processes = processes;
    this.#listeners = listeners;
    this.#shared = new SharedReading(() => this.#count(), now);
  }

  /** Resolves to null if the counts are unknown. Never rejects. */
  count(): Promise<ConnectionCounts> {
    return this.#shared.get();
  }

  async #count(): Promise<ConnectionCounts> {
    const processes = this.#processes();
    const ids = [...new Set(processes.map(({ key }) => key.generation))];
    const unknown = new Map(ids.map((id) => [id, null]));
    try {
      const inodes = await this.#accepted();
      if (inodes === null) return unknown;
      const [only, second] = ids;
      if (only === undefined || second === undefined)
        return new Map(only === undefined ? [] : [[only, inodes.length]]);
      return await this.#divided(inodes);
    } catch {
      return unknown;
    }
  }

  /** The inodes of all connections; null if no listener has any. */
  async #accepted(): Promise<number[] | null> {
    const snapshot = this.#listeners.snapshot();
    const names = new Set(unixNames(snapshot));
    const found: number[][] = [];
    const addresses = snapshot.flatMap(({ address, text }) =>
      address.family === 'unix' || text.startsWith('udp') ? [] : [address],
    );
    for await (const some of acceptedTcp(addresses)) found.push(some);
    if (names.size > 0) {
      for await (const some of unixConnectionsAt(names)) found.push(some.map(({ inode }) => inode));
    }
    return names.size > 0 || addresses.length > 0 ? found.flat() : null;
  }

  async #divided(inodes: readonly number[]): Promise<ConnectionCounts> {
    const pids = new Map<number, Set<number>>();
    for (const [{ key }, members] of membersOf(listProcesses(), this.#processes())) {
      const own = pids.get(key.generation) ?? new Set();
      for (const member of members) own.add(member);
      pids.set(key.generation, own);
    }
    const sizes = new Map(
      [...pids].map(([id, own]) => [id, [...own].reduce((sum, pid) => sum + sizeOf(pid), 0)]),
    );
    const [largest, ...others] = [...pids.keys()].sort(
      (one, two) => (sizes.get(two) ?? 0) - (sizes.get(one) ?? 0),
    );
    const accepted = new Set(inodes);
    const counts = new Map<number, number | null>();
    let left: number | null = inodes.length;
    for (const id of others) {
      const count = await countOf([...(pids.get(id) ?? [])], accepted);
      counts.set(id, count);
      left = left === null || count === null ? null : left - count;
    }
    if (largest !== undefined) counts.set(largest, left);
    return counts;
  }
}

/** How many of these connections the processes have; null without permission to read their descriptors. */
async function countOf(pids: readonly number[], accepted: ReadonlySet<number>): Promise<number | null> {
  const own = new Set<number>();
  for (const inodes of await socketInodes(pids)) {
    if (inodes === null) return null;
    for (let at = 0; at < inodes.length; at += 1) {
      const inode = inodes[at] ?? 0;
      if (accepted.has(inode)) own.add(inode);
    }
  }
  return own.size;
}

/** The number of descriptors of a process, from Linux 6.2 on; 0 before. */
function sizeOf(pid: number): number {
  return statSync(`/proc/${pid}/fd`, { throwIfNoEntry: false })?.size ?? 0;
}
