import { get } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Scope } from '../../test/support/temporary.ts';
import { startZero, type Zero } from '../../test/support/zero.ts';
import { pause } from '../clock.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { startLoad } from '../load/index.ts';
import { processorTime } from '../process-state.ts';
import { withScope } from '../scope.ts';
import { configOf, portOf } from '../supervised.ts';

const SERVICE = fileURLToPath(new URL('../service.js', import.meta.url));
const WINDOW_MS = 15_000;
/** Milliseconds until V8 has compiled the code: the first readings are slower. */
const SETTLE_MS = 10_000;
const CLIENTS = 64;
const AT_REST = 1;
const IN_CANARY = 3;

export const dashboard: Measure = {
  name: 'dashboard',
  about: `Processor time of the supervisor in ${WINDOW_MS / 1000} s with one dashboard open (a client that reads its server-sent events, ${SETTLE_MS / 1000} s after it was opened), minus the processor time without it: at rest, and in a canary of 20 % while ${CLIENTS} clients keep a small HTTP service in Node busy.`,
  measure: (run) => withScope((scope) => measureDashboard(scope, run)),
};

interface State {
  readonly open: number;
  readonly closed: number;
}

async function measureDashboard(scope: Scope, { pairs, progress }: Run): Promise<Figure[]> {
  const zero = startZero(scope, { config: config() });
  await zero.fact('handover_finished', { outcome: 'promoted' });
  const { address } = await zero.fact('admin_listening');
  const rest = await measurePairs(zero, address, pairs, (done) => progress(`rest, ${done} of ${pairs}`));
  startLoad(scope, { ports: [await portOf(zero)], clients: CLIENTS, connections: 'short', think: 20 });
  zero.signal('SIGHUP');
  await zero.fact('handover_step', { step: 'canary' });
  const canary = await measurePairs(zero, address, pairs, (done) => progress(`canary, ${done} of ${pairs}`));
  return [
    figure('processor time with a dashboard open, at rest', rest, AT_REST),
    figure('processor time with a dashboard open, in a canary under load', canary, IN_CANARY),
  ];
}

function config() {
  const service = configOf({
    path: process.execPath,
    args: [SERVICE, '--fd', '3'],
    handover: { canary: { steps: [{ percent: 20, for: '1h' }] } },
  });
  return { ...service, application: { ...service.application, admin: { address: '127.0.0.1:0' } } };
}

/** Values in percent of one core. */
async function measurePairs(
  { pid }: Zero,
  address: string,
  pairs: number,
  progress: (done: number) => void,
): Promise<State[]> {
  const states: State[] = [];
  while (states.length < pairs) {
    const closed = await share(pid);
    const close = await follow(address);
    await pause(SETTLE_MS);
    const open = await share(pid);
    close();
    states.push({ open, closed });
    progress(states.length);
  }
  return states;
}

async function share(pid: number): Promise<number> {
  const before = processorTime(pid);
  await pause(WINDOW_MS);
  return ((processorTime(pid) - before) / WINDOW_MS) * 100;
}

/** Reads the events as a loaded page does. */
function follow(address: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const request = get(`http://${address}/events`, { agent: false }, (response) => {
      response.resume();
      resolve(() => void request.destroy());
    });
    request.on('error', reject);
  });
}

function figure(name: string, states: readonly State[], atMost: number): Figure {
  return {
    name,
    unit: '% of a core',
    target: { atMost },
    values: states.map(({ open, closed }) => open - closed),
    samples: {
      open_percent: states.map(({ open }) => open),
      closed_percent: states.map(({ closed }) => closed),
    },
  };
}
