import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { ListenerConfig } from '../../../src/config/schema.ts';
import type { Steering } from '../../../src/lifecycle/steering.ts';
import { pidfdGetfd, pidfdOpen } from '../../../src/linux/processes.ts';
import {
  acceptSocket,
  closeFd,
  connectSocket,
  localAddress,
  openSocket,
} from '../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../src/listeners/listener-set.ts';
import type { ListenerSnapshot, SavedListener } from '../../../src/listeners/listeners.ts';
import { startProgram } from './fixture.ts';
import { keepOpen, to } from './lanes/lane-support.ts';

/**
 * The fate of a socket when its supervisor dies. `taken`: a keeper holds it. `out of reach`: a worker holds it, and
 * zero cannot take it from there. `closed`: no process holds it.
 */
export type Fate = 'taken' | 'out of reach' | 'closed';

export interface Death {
  readonly lanes?: number;
  readonly steering?: Steering;
  /** Lanes of workers. */
  readonly given?: readonly number[];
  /** Lanes with a test connection that no worker has accepted. */
  readonly probed?: readonly number[];
  /** For each lane including the one after the last; for a shared listener that of lane 0. */
  readonly fate?: (lane: number) => Fate;
}

export interface Dead {
  readonly saved: SavedListener[];
  /** The descriptors of open sockets by lane. */
  readonly fds: ReadonlyMap<number, number>;
  readonly snapshot: ListenerSnapshot;
}

/** A killed supervisor with one listener. */
export async function died(t: TestContext, config: ListenerConfig, death: Death = {}): Promise<Dead> {
  const { lanes = 4, steering = to([0]), given = [], probed = [], fate = () => 'taken' } = death;
  const code = `
    import(${JSON.stringify(new URL('../../../src/listeners/listener-set.js', import.meta.url))}).then(async ({ ListenerSet }) => {
      const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
      const set = new ListenerSet({ lookup });
      const acquired = await set.acquire([${JSON.stringify(config)}], ${lanes});
      if (acquired.listeners[0].steered) set.steer(${JSON.stringify(steering)});
      for (const lane of ${JSON.stringify(given)}) acquired.listeners[0].fdOf(lane);
      for (const lane of ${JSON.stringify(probed)}) set.openProbe(acquired, ${JSON.stringify(config.name)}, lane);
      console.log(JSON.stringify(set.snapshot()[0]));
      setInterval(() => {}, 1e9);
    });`;
  const { pid, line, child } = await startProgram(t, code);
  const snapshot = JSON.parse(line) as ListenerSnapshot;
  const pidfd = pidfdOpen(pid);
  const fds = new Map<number, number>();
  const take = (lane: number, fd: number): number | null => {
    const left = fate(lane);
    if (left === 'closed') return null;
    const taken = pidfdGetfd(pidfd, fd);
    fds.set(lane, taken);
    if (left === 'taken') return taken;
    keepOpen(t, taken);
    return null;
  };
  const recovered = snapshot.lanes.map(({ fd, inode }, lane) => ({ fd: take(lane, fd), inode }));
  const shared = snapshot.lanes.length === 0 ? take(0, snapshot.fd) : null;
  closeFd(pidfd);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return { saved: [{ ...snapshot, config, fd: shared, lanes: recovered }], fds, snapshot };
}

/** Another supervisor continues the listener. Returns its set, and the listeners of a generation with this config. */
export async function continued(
  t: TestContext,
  { saved }: Dead,
  { lanes = 4, steering = to([0]) }: Death = {},
) {
  const lookup = () => Promise.reject(new Error('a name was resolved'));
  const set = new ListenerSet({ lookup });
  const { missing, finish } = set.recover(saved, steering);
  const acquired = await set.acquire(
    saved.map(({ config }) => config),
    lanes,
  );
  t.after(() => acquired.release());
  finish();
  return { set, acquired, missing };
}

/**
 * The number of connections that arrive at each of the descriptors, out of this total. Throws if one arrives elsewhere.
 */
export function arrivals(
  port: number,
  fds: readonly number[],
  count = 40,
  { host = '127.0.0.1' }: { host?: string } = {},
): number[] {
  const family = host.includes(':') ? 'inet6' : 'inet';
  const clients = Array.from({ length: count }, () => {
    const client = openSocket(family, 'stream');
    connectSocket(client, { family, host, port });
    return client;
  });
  const ports = new Set(clients.map((client) => portOf(localAddress(client))));
  const counts = fds.map((fd) => {
    let found = 0;
    for (let one = acceptSocket(fd); one !== null; one = acceptSocket(fd)) {
      // The others are connections by which a supervisor has verified its lanes.
      if (ports.has(portOf(one.peer))) found += 1;
      closeFd(one.fd);
    }
    return found;
  });
  for (const client of clients) closeFd(client);
  const sum = counts.reduce((all, one) => all + one, 0);
  if (sum !== count) throw new Error(`${count - sum} of ${count} connections strayed`);
  return counts;
}

function portOf(address: ReturnType<typeof localAddress>): number {
  if (address.family === 'unix') throw new Error('a Unix socket has no port');
  return address.port;
}
