import { isSystemFailure } from '../../common/errors.ts';
import type { Config, ListenerConfig } from '../../config/index.ts';
import type { Continued } from '../../lifecycle/events.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { servingGeneration } from '../../lifecycle/state.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import { ListenerError } from '../../listeners/listener-error.ts';
import type { ListenerSet } from '../../listeners/listener-set.ts';
import type { SavedListener } from '../../listeners/listeners.ts';
import type { Timers } from '../../readiness/index.ts';
import { describeRefusal, signalOnce } from '../../workers/processes/delivery.ts';
import { killSessions } from '../../workers/processes/stopper.ts';
import { ReleaseError } from '../../workers/spawning/release-error.ts';
import { SpawnError } from '../../workers/spawning/spawner.ts';
import type { HistoryRecorder } from '../observe/history-recorder.ts';
import type { Generations } from '../run/generations.ts';
import type { HookRunner } from '../run/hook-runner.ts';
import { listenersOf } from '../run/prepare.ts';
import type { PreparedReleases } from '../run/prepared-releases.ts';
import { endCommand } from '../run/running-commands.ts';
import { ConfigError } from '../start/config-source.ts';
import { continuedFrom } from './continued.ts';
import type { Recovered } from './recovered.ts';
import { type Origin, originOf, originWithoutMemo, restorePrepared } from './restore-prepared.ts';

export interface TakeOverContext {
  readonly listeners: ListenerSet;
  readonly releases: PreparedReleases;
  readonly generations: Generations;
  readonly hooks: HookRunner;
  readonly history: HistoryRecorder;
  /** The current config, which replaces unknown data of a generation. */
  readonly config: Config;
  /** zero's own environment. */
  readonly environment: readonly Buffer[];
  /** The working directory as the user sees it, with its symlinks. */
  readonly startDirectory: string;
  readonly report: (fact: Fact) => void;
  readonly kernel: Kernel;
  readonly timers: Timers;
}

/** The service of a dead supervisor cannot be continued. It keeps running. */
export class RecoveryError extends Error {}

/**
 * Takes over the service of a dead supervisor: its listeners, its generations, and then all of its processes in one
 * turn. The caller posts the event at the end of that turn. Rejects with RecoveryError. Then no process was signalled,
 * and every socket is unchanged.
 */
export async function takeOver(recovered: Recovered, context: TakeOverContext): Promise<Continued> {
  try {
    return await attempt(recovered, context);
  } catch (error) {
    const isExpected =
      error instanceof ListenerError || error instanceof ReleaseError || error instanceof SpawnError;
    if (!isExpected && !isSystemFailure(error)) throw error;
    const { pid } = recovered.saved.supervisor;
    throw new RecoveryError(
      `cannot continue the service of zero (pid ${pid}), which still runs: ${error.message}`,
    );
  }
}

async function attempt(recovered: Recovered, context: TakeOverContext): Promise<Continued> {
  const { state, saved, processes, missing } = recovered;
  const { listeners, releases, generations, hooks, history, report } = context;
  const origins = originsOf(recovered, context);
  const { missing: lost, finish } = listeners.recover(
    savedListeners(recovered, origins),
    state.demands.steering,
  );
  for (const name of lost) {
    const message = `listener ${name}: no process holds its socket any more, so the connections in its queue are lost. zero binds it again.`;
    report({ event: 'warning', about: 'state', message });
  }
  for (const { id, settings } of state.generations) {
    const origin = origins.get(id);
    if (origin === undefined) continue;
    releases.restore(id, await restorePrepared(origin, settings, listeners));
    generations.add(id);
  }
  finish();
  history.restore(
    [...origins].map(([generation, { record }]) => ({ generation, record })),
    servingGeneration(state),
  );
  const workers = [
    ...processes.map((process) => generations.adopt(process)),
    ...missing.map((key) => ({ ...key, found: 'gone', exit: { kind: 'unknown' }, leftovers: 0 }) as const),
  ];
  for (const process of recovered.unknown) endUnknown(process, context);
  // zero starts gates and checks again.
  for (const process of recovered.commands) {
    for (const refusal of endCommand(context.kernel, process).refused)
      report({ event: 'error', step: 'signal', message: describeRefusal('SIGKILL', refusal) });
  }
  const watched = recovered.hooks.filter(({ hook, process }) => hooks.adopt(hook, process));
  return continuedFrom(saved, {
    workers,
    hooks: watched.map(({ hook }) => hook),
    planned: recovered.by === 'upgrade',
  });
}

/** Milliseconds that a process may take to exit after SIGTERM. */
const EXIT_TIME = 2_000;

/** Ends an unrecorded worker that the dead supervisor has started. */
function endUnknown({ pid, startTime }: ProcessIdentity, { kernel, timers, report }: TakeOverContext): void {
  const isMeant = () => kernel.processStat(pid)?.startTime === startTime;
  const message = `process ${pid} was started by the dead supervisor after its state had been recorded, and is stopped`;
  report({ event: 'warning', about: 'state', message });
  signalOnce(kernel, pid, 'SIGTERM', isMeant);
  timers.set(EXIT_TIME, () => {
    if (isMeant()) killSessions(kernel, [pid]);
  });
}

function originsOf({ state, memos }: Recovered, context: TakeOverContext): ReadonlyMap<number, Origin> {
  const { config, environment: base, startDirectory, history, report } = context;
  const guessed: number[] = [];
  const origins = new Map(
    state.generations.map(({ id, settings }) => {
      const memo = memos?.generations.find(({ generation }) => generation === id);
      try {
        if (memo) return [id, originOf(memo)];
      } catch (error) {
        // The dead supervisor was another version of zero, which reads configs in another way.
        if (!(error instanceof ConfigError)) throw error;
      }
      guessed.push(id);
      return [id, originWithoutMemo(config, settings, history.recordOf(id), { base, startDirectory })];
    }),
  );
  if (guessed.length > 0) {
    const message = `generation ${guessed.join(', ')}: its config is unknown, because no keeper held it. A worker of this generation that is started again gets the arguments, the environment and the gates of today's config.`;
    report({ event: 'warning', about: 'state', message });
  }
  return origins;
}

/** Skips listeners that are in no config, because no generation uses them. */
function savedListeners(
  { saved, sockets, state }: Recovered,
  origins: ReadonlyMap<number, Origin>,
): SavedListener[] {
  const fdOf = (inode: number) => sockets.get(inode) ?? null;
  const configs = [...state.generations].reverse().flatMap(({ id }) => {
    const origin = origins.get(id);
    return origin ? listenersOf(origin.config) : [];
  });
  return saved.listeners.flatMap((listener) => {
    const {
      name,
      config_address: text,
      address,
      inode,
      order = null,
      passed_name: passedName = null,
    } = listener;
    const config = configOf(configs, name, text);
    if (config === undefined) return [];
    return [
      {
        name,
        config,
        address: addressOf(address),
        fd: fdOf(inode),
        inode,
        lanes: listener.lanes.map((lane) => ({ fd: fdOf(lane.inode), inode: lane.inode })),
        order,
        passedName,
      },
    ];
  });
}

/** The config of a listener in the newest generation that has it. Two listeners on port 0 have the same address. */
function configOf(
  configs: readonly ListenerConfig[],
  name: string,
  text: string,
): ListenerConfig | undefined {
  const same = configs.filter(({ address }) => address.text === text);
  return same.find((config) => config.name === name) ?? same[0];
}

function addressOf(address: Recovered['saved']['listeners'][number]['address']): SavedListener['address'] {
  if (address.family === 'unix') return address;
  const { scope_id: scopeId, ...rest } = address;
  return scopeId === undefined ? rest : { ...rest, scopeId };
}
