import { exactUsage } from '../facts/parts.ts';
import type { Fact, Usage } from '../lifecycle/facts.ts';

/** One measurement under the name that the first zero gave it. `c` is a counter, `g` a gauge, `ms` a duration. */
export interface Metric {
  readonly name: string;
  readonly type: 'c' | 'g' | 'ms';
  readonly value: number;
  readonly tags: Readonly<Record<string, string>>;
}

/** The state between facts. Times are monotonic milliseconds. */
export interface MetricsState {
  readonly path: string;
  /** The path of each existing generation. */
  readonly paths: ReadonlyMap<number, string>;
  readonly reloads: number;
  /** A reload was requested and its handover has not begun. */
  readonly reloadWanted: boolean;
  /** The reload in progress. */
  readonly reload: { readonly handover: number; readonly since: number } | null;
  readonly lastPromotion: { readonly generation: number; readonly previous: number | null } | null;
  /** When the reload began that replaced each generation. */
  readonly leaving: ReadonlyMap<number, number>;
  readonly startedAt: number | null;
  /** Workers in backoff, as `generation.worker`. */
  readonly restarting: ReadonlySet<string>;
  readonly serving: number | null;
  /** Process id of the first worker of each generation. */
  readonly pids: ReadonlyMap<number, number>;
  readonly stopping: boolean;
}

/** The state before the first fact. */
export function initialMetrics(path: string): MetricsState {
  return {
    path,
    paths: new Map(),
    reloads: 0,
    reloadWanted: false,
    reload: null,
    lastPromotion: null,
    leaving: new Map(),
    startedAt: null,
    restarting: new Set(),
    serving: null,
    pids: new Map(),
    stopping: false,
  };
}

export interface Measured {
  readonly state: MetricsState;
  readonly metrics: readonly Metric[];
}

/**
 * The metrics of a fact, counted as in the first zero: a reload when its handover begins, its duration when the
 * replaced generation has ended or the handover has failed, with the resources that the generation used. A restart
 * after a crash is one more start.
 */
export function metricsOf(fact: Fact, state: MetricsState, now: number): Measured {
  switch (fact.event) {
    case 'reload_requested':
      return none({ ...state, reloadWanted: true });
    case 'handover_started':
      return state.reloadWanted ? reloadBegins(fact.handover, state, now) : none(state);
    case 'handover_finished':
      return handoverEnds(fact, state, now);
    case 'service_starting':
      return none({ ...state, paths: withEntry(state.paths, fact.generation, fact.path) });
    case 'worker_spawned':
      return workerSpawned(fact, state, now);
    case 'worker_restarting':
      return none({ ...state, restarting: new Set([...state.restarting, keyOf(fact)]) });
    case 'worker_pid_changed':
      return none(
        fact.worker === 0 ? { ...state, pids: withEntry(state.pids, fact.generation, fact.pid) } : state,
      );
    case 'worker_exited':
      return none(
        state.pids.get(fact.generation) === fact.pid
          ? { ...state, pids: without(state.pids, fact.generation) }
          : state,
      );
    case 'generation_promoted':
      return none({
        ...state,
        path: state.paths.get(fact.generation) ?? state.path,
        serving: fact.generation,
        lastPromotion: { generation: fact.generation, previous: fact.previous },
      });
    case 'generation_gone':
      return generationGone(fact.generation, fact.usage, state, now);
    case 'stop_requested':
      return state.stopping
        ? none(state)
        : { state: { ...state, stopping: true }, metrics: [count('process.shutdown')] };
    case 'supervisor_stopped':
      return { state, metrics: state.stopping ? [timing('process.shutdown.duration', fact.duration)] : [] };
    default:
      return none(state);
  }
}

/**
 * The gauge that the first zero sent every ten seconds: seconds since the service was started, with the pid that
 * serves.
 */
export function uptimeMetric(state: MetricsState, now: number): Metric | null {
  const [generation] = [state.serving, ...state.pids.keys()].filter(
    (id) => id !== null && state.pids.has(id),
  );
  const pid = generation === undefined || generation === null ? undefined : state.pids.get(generation);
  if (state.startedAt === null || pid === undefined) return null;
  return gauge('manager.uptime', (now - state.startedAt) / 1000, { pid: `${pid}` });
}

type Of<Name extends Fact['event']> = Extract<Fact, { event: Name }>;

function none(state: MetricsState): Measured {
  return { state, metrics: [] };
}

function reloadBegins(handover: number, state: MetricsState, now: number): Measured {
  const reloads = state.reloads + 1;
  return {
    state: { ...state, reloads, reloadWanted: false, reload: { handover, since: now } },
    metrics: [count('process.reload'), gauge('process.reload.total', reloads)],
  };
}

function handoverEnds(fact: Of<'handover_finished'>, state: MetricsState, now: number): Measured {
  if (state.reload?.handover !== fact.handover) return none(state);
  const { since } = state.reload;
  const ended = { ...state, reload: null };
  const replaced =
    fact.outcome === 'promoted' && state.lastPromotion?.generation === fact.generation
      ? state.lastPromotion.previous
      : null;
  if (replaced !== null) return none({ ...ended, leaving: withEntry(state.leaving, replaced, since) });
  return { state: ended, metrics: [timing('process.reload.duration', now - since)] };
}

function generationGone(id: number, usage: Usage | null, state: MetricsState, now: number): Measured {
  const since = state.leaving.get(id);
  const gone = {
    ...state,
    leaving: without(state.leaving, id),
    paths: without(state.paths, id),
    pids: without(state.pids, id),
    restarting: new Set([...state.restarting].filter((key) => !key.startsWith(`${id}.`))),
  };
  if (since === undefined) return none(gone);
  const duration = timing('process.reload.duration', now - since);
  return { state: gone, metrics: [duration, ...(usage === null ? [] : usageMetrics(usage))] };
}

function workerSpawned(fact: Of<'worker_spawned'>, state: MetricsState, now: number): Measured {
  const key = keyOf(fact);
  const starts = state.startedAt === null || state.restarting.has(key);
  const next = {
    ...state,
    startedAt: state.startedAt ?? now,
    restarting: new Set([...state.restarting].filter((other) => other !== key)),
    pids: fact.worker === 0 ? withEntry(state.pids, fact.generation, fact.pid) : state.pids,
  };
  return { state: next, metrics: starts ? [count('process.start')] : [] };
}

function usageMetrics(usage: Usage): Metric[] {
  const { user_seconds, system_seconds, max_rss_bytes, ...counts } = exactUsage(usage);
  const values = { system_time: system_seconds, user_time: user_seconds, max_rss: max_rss_bytes, ...counts };
  return Object.entries(values).map(([name, value]) => gauge(`process.stats.${name}`, value));
}

function keyOf(worker: { readonly generation: number; readonly worker: number }): string {
  return `${worker.generation}.${worker.worker}`;
}

function withEntry<V>(map: ReadonlyMap<number, V>, key: number, value: V): ReadonlyMap<number, V> {
  return new Map([...map, [key, value]]);
}

function without<V>(map: ReadonlyMap<number, V>, key: number): ReadonlyMap<number, V> {
  return new Map([...map].filter(([other]) => other !== key));
}

function count(name: string): Metric {
  return { name, type: 'c', value: 1, tags: {} };
}

function gauge(name: string, value: number, tags: Readonly<Record<string, string>> = {}): Metric {
  return { name, type: 'g', value, tags };
}

function timing(name: string, ms: number): Metric {
  return { name, type: 'ms', value: ms, tags: {} };
}
