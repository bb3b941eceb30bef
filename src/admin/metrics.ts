import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { StatusDocument } from '../control/status-document.ts';
import type { ExitStatus, Fact, Outcome, ReplacementCause } from '../lifecycle/facts.ts';
import { PHASES, PhaseClock } from './phases.ts';
import {
  type AdminSource,
  type ListenerReading,
  type Readings,
  shareOf,
  unready,
  type WorkerReading,
} from './source.ts';

const OUTCOMES: readonly Outcome[] = [
  'promoted',
  'rolled_back',
  'failed',
  'aborted',
  'timed_out',
  'superseded',
];
const EXITS: readonly ExitStatus['kind'][] = ['exited', 'signaled', 'unknown'];
const CAUSES: readonly ReplacementCause[] = ['memory', 'liveness'];
const REPLACEMENTS = ['replaced', 'failed'] as const;
const SERVICE_STATES = ['starting', 'up', 'degraded', 'down', 'stopping'];
const STAGES = ['starting', 'ready', 'serving', 'standby', 'retiring', 'stopping'];
const WORKER_STATES = ['spawning', 'up', 'backoff', 'stopping', 'ended'];
// From a script that is ready at once to a canary of one hour.
const SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600];

/**
 * The metrics in the text format of Prometheus. Events are counted when they happen. All other values are read for each
 * request, and the series of ended generations and workers are removed, so the number of label values stays bounded.
 */
export class Metrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #source: AdminSource;
  readonly #registry = new Registry();
  readonly #phases = new PhaseClock();
  readonly #fixed = [this.#registry];

  readonly #info = this.#gauge('zero_info', 'Version of zero and name of the instance. Always 1.', [
    'name',
    'version',
  ]);
  readonly #service = this.#gauge('zero_service_state', '1 for the state that the service is in now.', [
    'state',
  ]);
  readonly #ready = this.#gauge('zero_ready', '1 where /readyz answers 200: at least one worker serves.');
  readonly #incumbent = this.#gauge(
    'zero_incumbent_generation',
    'Number of the generation that serves, or of the first one while it starts; 0 before that.',
  );
  readonly #generations = this.#gauge('zero_generations', 'Generations that have processes, by stage.', [
    'stage',
  ]);
  readonly #release = this.#gauge(
    'zero_release_info',
    'The release of each generation that has processes: its label, empty where it has none, and its path. Always 1.',
    ['generation', 'label', 'path'],
  );
  readonly #workers = this.#gauge('zero_workers', 'Workers of each generation, by state.', [
    'generation',
    'state',
  ]);
  readonly #workersReady = this.#gauge('zero_workers_ready', 'Workers that have passed every gate.', [
    'generation',
  ]);
  readonly #workersHung = this.#gauge(
    'zero_workers_hung',
    'Workers that accept no connection although connections wait for them.',
    ['generation'],
  );
  readonly #share = this.#gauge(
    'zero_steering_share_ratio',
    'Share of new connections that each generation gets, where listeners are steered.',
    ['generation'],
  );
  readonly #handovers = this.#counter(
    'zero_handovers_total',
    'Handovers that ended, by outcome; the first start is one.',
    ['outcome'],
  );
  readonly #handoverActive = this.#gauge(
    'zero_handover_active',
    '1 for the phase that a handover is in now.',
    ['phase'],
  );
  readonly #handoverEnd = this.#gauge(
    'zero_handover_last_end_timestamp_seconds',
    'When a handover last ended with this outcome, as seconds since 1970.',
    ['outcome'],
  );
  readonly #phaseDuration = new Histogram({
    name: 'zero_handover_phase_duration_seconds',
    help: 'Duration of each phase of a handover, and of the phases after it.',
    labelNames: ['phase'],
    buckets: SECONDS,
    registers: this.#fixed,
  });
  readonly #duration = new Histogram({
    name: 'zero_handover_duration_seconds',
    help: 'From the request of a handover to its result.',
    labelNames: ['outcome'],
    buckets: SECONDS,
    registers: this.#fixed,
  });
  readonly #lateRollbacks = this.#counter(
    'zero_late_rollbacks_total',
    'Generations that failed after their handover and were rolled back.',
  );
  readonly #restarts = this.#counter('zero_worker_restarts_total', 'Times a worker was started again.');
  readonly #crashes = this.#counter(
    'zero_worker_unexpected_exits_total',
    'Workers that exited unexpectedly.',
    ['kind'],
  );
  readonly #stalls = this.#counter(
    'zero_worker_stalls_total',
    'Workers that were hung: connections waited for them and they accepted none.',
  );
  readonly #unhealthy = this.#counter(
    'zero_worker_liveness_failures_total',
    'Workers that failed their liveness check, each counted when it begins to fail.',
  );
  readonly #replacements = this.#counter(
    'zero_worker_replacements_total',
    'Workers that were replaced or could not be, by cause and outcome.',
    ['cause', 'outcome'],
  );
  readonly #rescues = this.#counter(
    'zero_lane_reliefs_total',
    'Rescue workers that were started for a lane.',
  );
  readonly #dropped = this.#counter(
    'zero_output_dropped_lines_total',
    'Lines of services that were dropped because their reader was too slow.',
    ['stream'],
  );
  readonly #memory = this.#gauge(
    'zero_worker_resident_memory_bytes',
    'Resident memory of all processes of a worker; pages that they share count for each.',
    ['generation', 'worker'],
  );
  readonly #cpu = this.#counter(
    'zero_worker_cpu_seconds_total',
    'User and system time of all processes of a worker and of children they have waited for.',
    ['generation', 'worker'],
  );
  readonly #connections = this.#gauge(
    'zero_open_connections',
    'Connections that a generation has accepted on the listeners and not closed.',
    ['generation'],
  );
  readonly #queue = this.#gauge(
    'zero_listener_accept_queue_connections',
    'Connections that wait to be accepted, over all lanes.',
    ['listener'],
  );
  readonly #drops = this.#counter(
    'zero_listener_drops_total',
    'Connections and datagrams that the kernel dropped since the sockets were created, usually because a queue or buffer was full.',
    ['listener'],
  );
  readonly #supervisorRestarts = this.#counter(
    'zero_supervisor_restarts_total',
    'Times the service got another supervisor because one was killed; upgrades in place do not count.',
  );
  readonly #keeper = this.#gauge(
    'zero_keeper_up',
    '1 where a keeper process holds the listening sockets, so that they outlive the supervisor.',
  );
  readonly #ownCpu = this.#counter(
    'process_cpu_seconds_total',
    'User and system time of the supervisor itself.',
  );
  readonly #ownMemory = this.#gauge(
    'process_resident_memory_bytes',
    'Resident memory of the supervisor itself.',
  );
  readonly #ownStart = this.#gauge(
    'process_start_time_seconds',
    'When the supervisor was started, as seconds since 1970.',
  );

  constructor(source: AdminSource) {
    this.#source = source;
    for (const outcome of OUTCOMES) this.#handovers.inc({ outcome }, 0);
    for (const cause of CAUSES)
      for (const outcome of REPLACEMENTS) this.#replacements.inc({ cause, outcome }, 0);
    for (const kind of EXITS) this.#crashes.inc({ kind }, 0);
    for (const stream of ['stdout', 'stderr', 'file']) this.#dropped.inc({ stream }, 0);
    for (const phase of PHASES) this.#phaseDuration.zero({ phase });
    // The start time of a process is constant. uptime() is exact to the microsecond, so the result is the same each
    // time.
    this.#ownStart.set(Math.round(Date.now() - process.uptime() * 1000) / 1000);
  }

  /** Counts a fact. @param at monotonic milliseconds */
  take(fact: Fact, at: number): void {
    const passed = this.#phases.take(fact, at);
    if (passed !== null) this.#phaseDuration.observe({ phase: passed.phase }, passed.seconds);
    switch (fact.event) {
      case 'handover_finished':
        this.#handovers.inc({ outcome: fact.outcome });
        this.#duration.observe({ outcome: fact.outcome }, fact.duration / 1000);
        this.#handoverEnd.set({ outcome: fact.outcome }, Date.now() / 1000);
        return;
      case 'generation_rolled_back':
        if (fact.failure.step !== 'abort') this.#lateRollbacks.inc();
        return;
      case 'worker_restarting':
        this.#restarts.inc();
        return;
      case 'worker_exited':
        if (!fact.expected) this.#crashes.inc({ kind: fact.exit.kind });
        return;
      case 'worker_stalled':
        this.#stalls.inc();
        return;
      case 'worker_unhealthy':
        this.#unhealthy.inc();
        return;
      case 'worker_replaced':
        this.#replacements.inc({ cause: fact.cause, outcome: 'replaced' });
        return;
      case 'worker_replacement_failed':
        this.#replacements.inc({ cause: fact.cause, outcome: 'failed' });
        return;
      case 'lane_relieved':
        this.#rescues.inc();
        return;
      case 'output_dropped':
        this.#dropped.inc({ stream: fact.stream }, fact.lines);
        return;
      default:
        return;
    }
  }

  /** All current values. Rejects if they cannot be read. */
  async text(): Promise<string> {
    const { workers, connections, listeners } = await this.#source.readings();
    const status = this.#source.status();
    // No await from here to the text, so that no other request sees a partial update.
    this.#showStatus(status);
    this.#showHandover(status);
    this.#showShares(status);
    this.#showWorkers(workers);
    this.#showConnections(connections);
    this.#showListeners(listeners);
    this.#showSelf();
    return this.#registry.metrics();
  }

  #showStatus(status: StatusDocument): void {
    this.#info.set({ name: status.name, version: status.zero }, 1);
    for (const state of SERVICE_STATES) this.#service.set({ state }, status.service?.state === state ? 1 : 0);
    this.#ready.set(unready(status) === null ? 1 : 0);
    this.#incumbent.set(status.incumbent ?? 0);
    this.#supervisorRestarts.reset();
    this.#supervisorRestarts.inc(status.supervisor?.restarts ?? 0);
    this.#keeper.set(status.keeper ? 1 : 0);
    for (const stage of STAGES) {
      this.#generations.set({ stage }, status.generations.filter((one) => one.stage === stage).length);
    }
    this.#release.reset();
    this.#workers.reset();
    this.#workersReady.reset();
    this.#workersHung.reset();
    for (const { id: generation, release, workers } of status.generations) {
      this.#release.set({ generation, label: release.label ?? '', path: release.path }, 1);
      for (const state of WORKER_STATES) {
        this.#workers.set({ generation, state }, workers.filter((one) => one.state === state).length);
      }
      this.#workersReady.set({ generation }, workers.filter(({ ready }) => ready).length);
      this.#workersHung.set({ generation }, workers.filter(({ hung }) => hung === true).length);
    }
  }

  #showHandover({ handover }: StatusDocument): void {
    for (const phase of PHASES) {
      if (phase !== 'retiring') this.#handoverActive.set({ phase }, handover?.step === phase ? 1 : 0);
    }
  }

  #showShares({ steering, generations }: StatusDocument): void {
    this.#share.reset();
    if (steering === null) return;
    for (const generation of generations) {
      this.#share.set({ generation: generation.id }, shareOf(generation, steering));
    }
  }

  #showWorkers(readings: readonly WorkerReading[]): void {
    this.#memory.reset();
    this.#cpu.reset();
    for (const { generation, worker, cpuSeconds, residentBytes } of readings) {
      const labels = { generation, worker };
      this.#memory.set(labels, residentBytes);
      this.#cpu.inc(labels, cpuSeconds);
    }
  }

  #showConnections(counts: Readings['connections']): void {
    this.#connections.reset();
    for (const [generation, count] of counts)
      if (count !== null) this.#connections.set({ generation }, count);
  }

  #showListeners(readings: readonly ListenerReading[]): void {
    this.#queue.reset();
    this.#drops.reset();
    for (const { listener, queue, drops } of readings) {
      if (queue !== null) this.#queue.set({ listener }, queue);
      if (drops !== null) this.#drops.inc({ listener }, drops);
    }
  }

  #showSelf(): void {
    const { user, system } = process.cpuUsage();
    this.#ownCpu.reset();
    this.#ownCpu.inc((user + system) / 1e6);
    this.#ownMemory.set(process.memoryUsage.rss());
  }

  #counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return new Counter({ name, help, labelNames: [...labelNames], registers: this.#fixed });
  }

  #gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: this.#fixed });
  }
}
