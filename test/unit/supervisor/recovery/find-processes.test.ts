import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { State } from '../../../../src/lifecycle/state.ts';
import type { ProcessSystem } from '../../../../src/supervisor/recovery/find-processes.ts';
import { survivorsOf, unknownOf } from '../../../../src/supervisor/recovery/find-processes.ts';

const INSTANCE = { name: 'app', runtimeDirectory: '/run/zero/app' };
const LANE = 4711;
const WWW = 33;
const ATTACKER = 1000;

interface Fake {
  readonly user: number | null;
  readonly notify: string;
  /** Default: NOTIFY_SOCKET. */
  readonly variable?: string;
  readonly sockets?: readonly number[];
}

/** A machine with these session leaders, on which zero runs as root and its notify sockets belong to www. */
function machine(processes: Readonly<Record<number, Fake>>): ProcessSystem {
  const listed = Object.keys(processes).map((pid) => ({
    pid: Number(pid),
    session: Number(pid),
    state: 'S',
    startTime: 1,
  }));
  const kernel = {
    listProcesses: () => listed,
    environmentOf: (pid: number) => [
      Buffer.from('NOTIFY_SOCKET=/run/systemd/notify'),
      Buffer.from(`${processes[pid]?.variable ?? 'NOTIFY_SOCKET'}=${processes[pid]?.notify}`),
    ],
  };
  return {
    kernel: kernel as unknown as ProcessSystem['kernel'],
    uid: 0,
    ownerOf: (pid) => processes[pid]?.user ?? null,
    ownerOfPath: (path) => (path.startsWith('/run/zero/app/notify/') ? WWW : null),
    descriptorsOf: (pid) =>
      (processes[Number(pid)]?.sockets ?? []).map((inode, index) => ({
        fd: index + 3,
        link: `socket:[${inode}]`,
      })),
    socketInode: (link) => Number(/\d+/.exec(link ?? '')?.[0]),
  };
}

const notify = (generation: number) => `/run/zero/app/notify/${generation}.0.1`;
const state = { generations: [], nextGeneration: 2 } as unknown as State;
const evidence = (sockets: readonly number[] = []) => ({
  runtimeDirectory: INSTANCE.runtimeDirectory,
  sockets: new Set(sockets),
  imitations: new Set<number>(),
});
const pids = (found: readonly { readonly pid: number }[]) => found.map(({ pid }) => pid);

test('workers without a recorded state are found by their notify socket and their user', () => {
  const system = machine({
    10: { user: WWW, notify: notify(2) },
    11: { user: 0, notify: notify(3), variable: 'ZERO_NOTIFY_SOCKET' },
    // Any user can set the variable, also for a setuid program.
    12: { user: ATTACKER, notify: notify(4) },
    13: { user: null, notify: notify(5) },
    14: { user: WWW, notify: '/run/zero/other/notify/2.0.1' },
  });
  assert.deepEqual(survivorsOf(INSTANCE, system), [10, 11]);
  const found = evidence([LANE]);
  assert.deepEqual(pids(unknownOf(INSTANCE, state, found, system)), [10, 11]);
  assert.deepEqual([...found.imitations], [12, 13]);
});

test('a worker that has changed its user is found by its sockets', () => {
  const system = machine({
    10: { user: 99, notify: notify(2), sockets: [LANE] },
    11: { user: 99, notify: notify(3), sockets: [1] },
  });
  assert.deepEqual(pids(unknownOf(INSTANCE, state, evidence([LANE]), system)), [10]);
});

test('a variable with an impossible number is ignored', () => {
  const system = machine({ 10: { user: WWW, notify: notify(2 ** 52) } });
  assert.deepEqual(unknownOf(INSTANCE, state, evidence(), system), []);
});
