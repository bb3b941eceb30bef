import { PM2 } from '../../test/support/pm2.ts';
import type { Scope } from '../../test/support/temporary.ts';
import { now, pause } from '../clock.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { startLoad } from '../load/index.ts';
import { bare, pm2, serverStarter, socketActivate, zero } from '../peers/node-peers.ts';
import { type Behaviour, type Peer, type Running, until } from '../peers/peer.ts';
import { haproxy, nginx, tableflip } from '../peers/program-peers.ts';
import { contextSwitches, privateDirty } from '../process-state.ts';
import { withScope } from '../scope.ts';

const RELOADS = 50;
const CLIENTS = 8;
/** Milliseconds between a response and the next request of a client. */
const THINK = 5;
const REST_MS = 5_000;
const QUIET_MS = 40_000;
const WINDOW_MS = 1_000;
/** How often each peer is started for its rates and times, in turns. */
const ROUNDS = 3;

const PEERS: readonly Peer[] = [
  bare,
  zero,
  pm2(1),
  pm2(2),
  serverStarter,
  tableflip,
  nginx,
  haproxy,
  socketActivate,
];

export const peers: Measure = {
  name: 'peers',
  about: `zero and other programs that replace a service, each used as documented: pm2 ${PM2}, Server::Starter, tableflip in a Go program, the reload of nginx and of haproxy, and systemd-socket-activate. All but tableflip, nginx and haproxy run one small HTTP service in Node. These three run other programs, so their rates cannot be compared. Lost requests: ${CLIENTS} clients with short and ${CLIENTS} with keep-alive connections, which send the next request ${THINK} ms after each response, during ${RELOADS} reloads, or while the worker or the manager is killed with SIGKILL. A service that dies has no handler for its signal. Rates and times: ${ROUNDS} rounds, in turns. "-": not possible, or the process does not exist.`,
  async measure(run) {
    const present = PEERS.filter((peer) => {
      const missing = peer.missing();
      if (missing !== null) console.error(`peers: ${peer.name} is left out: ${missing}`);
      return missing === null;
    });
    const figures: Figure[] = [];
    for (const peer of present) {
      run.progress(`${peer.name}: lost requests`);
      figures.push(...(await lossesOf(peer)));
    }
    figures.push(...(await timesOf(present, run)));
    return figures;
  },
};

function figure(peer: Peer, name: string, unit: string, values: readonly number[]): Figure {
  return { name, column: peer.name, unit, target: null, values, samples: {} };
}

async function lossesOf(peer: Peer): Promise<Figure[]> {
  const figures: Figure[] = [];
  const count = (name: string, { short, kept }: Losses): void => {
    figures.push(figure(peer, `${name}, short connections`, 'lost', [short]));
    figures.push(figure(peer, `${name}, kept connections`, 'lost', [kept]));
  };
  for (const behaviour of peer.behaviours) {
    if (!peer.reloads) continue;
    const what = behaviour === 'dies' ? ' of a service that dies on its signal' : '';
    const losses = await lossesWhile(peer, behaviour, async (running) => {
      for (let done = 0; done < RELOADS; done += 1) await running.reload();
    });
    count(`${RELOADS} reloads${what}`, losses);
  }
  const ofWorker = await lossesWhile(peer, 'graceful', async ({ workers }) => {
    for (const pid of workers().slice(0, 1)) process.kill(pid, 'SIGKILL');
    await pause(WINDOW_MS);
  });
  count('SIGKILL of a worker, in the next second', ofWorker);
  const ofManager = await lossesWhile(peer, 'graceful', async ({ manager }) => {
    if (manager !== null) process.kill(manager, 'SIGKILL');
    await pause(WINDOW_MS);
  });
  if (ofManager.hasManager) count('SIGKILL of the manager, in the next second', ofManager);
  return figures;
}

interface Losses {
  readonly short: number;
  readonly kept: number;
  readonly hasManager: boolean;
}

/** The requests that fail during an operation on a service. */
function lossesWhile(
  peer: Peer,
  behaviour: Behaviour,
  happens: (running: Running) => Promise<void>,
): Promise<Losses> {
  return withScope(async (scope) => {
    const running = await peer.start(scope, behaviour);
    const loads = (['short', 'keep-alive'] as const).map((connections) =>
      startLoad(scope, { ports: [running.port], clients: CLIENTS, connections, think: THINK }),
    );
    await pause(WINDOW_MS);
    for (const load of loads) await load.take();
    await happens(running);
    await pause(WINDOW_MS);
    const [short, kept] = await Promise.all(loads.map((load) => load.take()));
    return { short: short?.failed ?? 0, kept: kept?.failed ?? 0, hasManager: running.manager !== null };
  });
}

/** Rates and times, measured in turns, so that slow changes of the machine affect all peers. */
async function timesOf(present: readonly Peer[], { progress }: Run): Promise<Figure[]> {
  const found = new Map<string, { peer: Peer; name: string; unit: string; values: number[] }>();
  const note = (peer: Peer, name: string, unit: string, value: number): void => {
    const key = `${peer.name} ${name}`;
    const entry = found.get(key) ?? { peer, name, unit, values: [] };
    entry.values.push(value);
    found.set(key, entry);
  };
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const peer of present) {
      progress(`${peer.name}: times ${round} of ${ROUNDS}`);
      await withScope(async (scope) => {
        const begin = now();
        const running = await peer.start(scope, 'graceful');
        note(peer, 'start to the first answer', 'ms', running.since - begin);
        if (peer.reloads) note(peer, 'reload', 'ms', await timeReload(running));
        for (const connections of ['short', 'keep-alive'] as const) {
          const kind = connections === 'short' ? 'short' : 'kept';
          note(
            peer,
            `requests a second, ${kind} connections`,
            '/s',
            await rateOf(scope, running, connections),
          );
        }
        if (running.manager === null || round > 1) return;
        // A manager in JavaScript collects garbage some time after the last event.
        await pause(QUIET_MS);
        const before = contextSwitches(running.manager);
        await pause(REST_MS);
        const switches = contextSwitches(running.manager) - before;
        note(peer, 'context switches of the manager at rest in 5 s', '', switches);
        note(peer, 'private memory of the manager at rest', 'MB', privateDirty(running.manager));
      });
    }
  }
  return [...found.values()].map(({ peer, name, unit, values }) => figure(peer, name, unit, values));
}

/** Milliseconds from the request for a new version until its first process exists. */
async function timeReload(running: Running): Promise<number> {
  const before = new Set(running.workers());
  const begin = now();
  const done = running.reload();
  await until(() => running.workers().some((pid) => !before.has(pid)), 'a new process');
  const took = now() - begin;
  await done;
  return took;
}

async function rateOf(scope: Scope, { port }: Running, connections: 'short' | 'keep-alive'): Promise<number> {
  const load = startLoad(scope, { ports: [port], clients: 16, connections, think: 0 });
  await pause(WINDOW_MS);
  await load.take();
  await pause(WINDOW_MS);
  const { answered, seconds } = await load.take();
  await load.stop();
  return answered / seconds;
}
