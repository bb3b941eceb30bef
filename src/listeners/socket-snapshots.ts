import type { ListenerConfig } from '../config/schema.ts';
import type { PortRange } from '../linux/sock_diag.ts';
import { socketsOf } from './binding/bound-listener.ts';
import type { SharedListener } from './binding/shared-listener.ts';
import type { KeptSocket, ListenerSnapshot } from './listeners.ts';

export interface SocketData {
  readonly snapshot: readonly ListenerSnapshot[];
  readonly kept: readonly KeptSocket[];
  /** The name of the listener of each socket, by inode. */
  readonly names: ReadonlyMap<number, string>;
  /** The lowest and the highest port of the TCP and UDP listeners. */
  readonly ports: PortRange;
}

interface Taken {
  readonly config: ListenerConfig;
  /** The revision of its lanes at that time. */
  readonly revision: number;
  readonly snapshot: ListenerSnapshot;
}

/**
 * All listening sockets as plain data. Callers ask after every event, but the sockets change only a few times in a
 * handover. So the same objects are returned, per listener and in total, as long as nothing changes.
 */
export class SocketSnapshots {
  readonly #taken = new WeakMap<SharedListener, Taken>();
  #last: SocketData = { snapshot: [], kept: [], names: new Map(), ports: { min: 0, max: 0 } };

  of(sockets: ReadonlySet<SharedListener>): SocketData {
    let isSame = this.#last.snapshot.length === sockets.size;
    let index = 0;
    for (const socket of sockets) {
      const { bound, config } = socket;
      const known = this.#taken.get(socket);
      const revision = bound.lanes?.revision ?? 0;
      if (known === undefined || known.revision !== revision || known.config !== config) {
        this.#taken.set(socket, { config, revision, snapshot: snapshotOf(socket) });
        isSame = false;
      } else if (known.snapshot !== this.#last.snapshot[index]) isSame = false;
      index += 1;
    }
    if (!isSame) this.#last = this.#take([...sockets]);
    return this.#last;
  }

  #take(sockets: readonly SharedListener[]): SocketData {
    const fds = new Map<number, number>();
    const names = new Map<number, string>();
    const ports = { min: 65_535, max: 0 };
    for (const { bound, config } of sockets) {
      if (bound.address.family !== 'unix') {
        ports.min = Math.min(ports.min, bound.address.port);
        ports.max = Math.max(ports.max, bound.address.port);
      }
      for (const { fd, inode } of socketsOf(bound)) {
        if (fd !== null) fds.set(inode, fd);
        names.set(inode, config.name);
      }
    }
    return {
      snapshot: sockets.flatMap((socket) => this.#taken.get(socket)?.snapshot ?? []),
      kept: [...fds].map(([inode, fd]) => ({ fd, inode })),
      names,
      ports,
    };
  }
}

function snapshotOf({ bound, config }: SharedListener): ListenerSnapshot {
  const order = bound.lanes?.order();
  return {
    text: config.address.text,
    name: config.name,
    address: bound.address,
    inode: bound.inode,
    fd: Math.max(0, bound.fd),
    lanes: bound.lanes?.sockets.map(({ fd, inode }) => ({ fd: fd ?? 0, inode })) ?? [],
    order: order ? [...order] : null,
    passedName: config.address.kind === 'passed' ? config.address.name : null,
  };
}
