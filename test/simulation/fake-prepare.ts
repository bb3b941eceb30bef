import type { Config } from '../../src/config/index.ts';
import type { Failure } from '../../src/lifecycle/facts.ts';
import type { Settings } from '../../src/lifecycle/settings.ts';
import type { Timers } from '../../src/readiness/index.ts';
import type { Prepared } from '../../src/supervisor/run/prepare.ts';
import type { FakeFiles } from './fake-files.ts';
import type { FakeListeners } from './fake-listeners.ts';
import { configOf, PATH, preparedOf } from './fake-prepared.ts';
import { READY_FD } from './fake-service.ts';
import type { Faults } from './faults.ts';
import { LISTENERS } from './network.ts';
import type { Random } from './random.ts';

export interface PrepareContext {
  readonly random: Random;
  readonly faults: Faults;
  readonly timers: Timers;
  readonly listeners: FakeListeners;
  readonly files: FakeFiles;
  /** Called when promises have work. */
  readonly wake: () => void;
  /** The probability of an invalid config. */
  readonly failing: number;
  readonly settings: () => Settings;
}

/** Prepares a handover. Every variant of a config is parsed once. */
export async function fakePrepare(context: PrepareContext): Promise<Prepared | Failure> {
  const { random, faults, listeners, failing } = context;
  await delay(context, random.between(0, 5));
  if (random.chance(failing)) return { step: 'config', reason: 'bad' };
  faults.check('prepare', 'listeners');
  const settings = context.settings();
  const config = configFor(settings);
  const acquired = listeners.acquire(config.service.listeners, settings.handover.steered);
  return preparedOf(config, settings, acquired, context.files.inode);
}

function delay({ timers, wake }: PrepareContext, ms: number): Promise<void> {
  return new Promise((resolve) =>
    timers.set(ms, () => {
      resolve();
      wake();
    }),
  );
}

/** The command of a liveness check. */
export const LIVENESS = 'live';

const configs = new Map<string, Config>();

/** The config for these settings. Every variant is parsed once. */
export function configFor({ gates, handover, liveness }: Settings): Config {
  const shape = [...gates, handover.verify, liveness?.action].join(' ');
  const known = configs.get(shape);
  if (known) return known;
  const config = configOf(shapeOf(gates, handover.verify, liveness));
  configs.set(shape, config);
  return config;
}

function shapeOf(gates: readonly string[], verify: boolean, liveness: Settings['liveness']): string {
  const listeners = LISTENERS.map(
    (name, index) => `{ name: ${name}, address: "127.0.0.1:${80 + index}", socket_fd: ${20 + index} }`,
  );
  const readiness = [
    `accept: ${gates.includes('accept') ? 'auto' : 'false'}`,
    `notify: ${gates.includes('notify')}`,
    ...(gates.includes('ready_fd') ? [`ready_fd: ${READY_FD}`] : []),
  ];
  return `
  listeners: [${listeners.join(', ')}]
  runtime: { path: ${PATH} }
  readiness: { ${readiness.join(', ')} }
  ${liveness ? `liveness: { command: { run: ["${LIVENESS}"] }, interval: 3s, failures: 2, action: ${liveness.action} }` : ''}
  ${verify ? 'handover: { soak: 1s, verify: { command: { run: ["check"] }, interval: 5s, failures: 3 } }' : ''}
`;
}
