import type * as version1 from './version-1.ts';
import type { Document, GenerationDocument, HandoverDocument } from './version-2.ts';

/* Version 1 as version 2. Maps documents to documents, so that changes of the core's types do not affect this file. */

type State = version1.Document['state'];
type Generation = State['generations'][number];
type Worker = Generation['workers'][number];
type Settings = Generation['settings'];
type Handover = NonNullable<State['handover']>;
type Hook = State['hooks'][number];
type OwedDocument = Document['owed_verdicts'][number];
type Exit = NonNullable<Extract<Worker['life'], { name: 'ended' }>['exit']>;
type Failure = NonNullable<NonNullable<Hook['verdict']>['verdict']['failure']>;

/** Version 1 recorded neither the version of zero nor the config file. */
export function upgrade(document: version1.Document): Omit<Document, 'zero_version' | 'config_file'> {
  const { state, processes, listeners, supervisor } = document;
  const { handover, pending, stop } = state;
  return {
    version: 2,
    instance: document.name,
    boot_id: document.bootId,
    supervisor: { pid: supervisor.pid, start_time_ticks: supervisor.startTime },
    recorded_monotonic_ms: state.now,
    next_numbers: {
      generation: state.nextGeneration,
      handover: state.nextHandover,
      hook: state.nextHook,
    },
    first_generation: state.firstGeneration,
    incumbent: state.incumbent,
    generations: state.generations.map(upgradeGeneration),
    handover: handover && upgradeHandover(handover),
    pending_request: pending && upgradeRequest(pending),
    owed_verdicts: state.hooks.flatMap(owedVerdicts),
    hooks: state.hooks.map(upgradeHook),
    stop: stop && { since_monotonic_ms: stop.since, sigkill_sent: stop.now },
    handshake_ms: state.handshakeTime,
    lanes: upgradeLanes(state),
    // The steering was installed before the state was written. Changes had no number.
    steering: { change: 0, status: 'installed', failed: null, wanted: upgradeSteering(state) },
    write_failures: { state: null, history: null },
    processes: processes.map(({ startTime, ...process }) => ({ ...process, start_time_ticks: startTime })),
    listeners: listeners.map(({ text, address, ...listener }) => ({
      ...listener,
      config_address: text,
      address: upgradeAddress(address),
    })),
  };
}

function upgradeGeneration(generation: Generation): GenerationDocument {
  const { id, since, stage, settings, workers, remains, usage } = generation;
  return {
    generation: id,
    since_monotonic_ms: since,
    stage: upgradeStage(stage),
    settings: upgradeSettings(settings),
    verify: null,
    workers: workers.map((worker) => upgradeWorker(worker, settings)),
    remaining_processes: remains.map(({ worker, incarnation, until }) => ({
      worker,
      incarnation,
      sigkill_monotonic_ms: until,
      retry: null,
    })),
    usage: usage && {
      user_seconds: usage.userSeconds,
      system_seconds: usage.systemSeconds,
      max_rss_bytes: usage.maxRssBytes,
      minor_faults: usage.minorFaults,
      major_faults: usage.majorFaults,
      disk_reads: usage.diskReads,
      disk_writes: usage.diskWrites,
      signals: usage.signals,
      voluntary_context_switches: usage.voluntaryContextSwitches,
      involuntary_context_switches: usage.involuntaryContextSwitches,
    },
    backlog_retry: null,
  };
}

function upgradeSettings(settings: Settings): GenerationDocument['settings'] {
  const { path, directory, workers, gates, restart, handover, hooks } = settings;
  return {
    path,
    directory,
    workers,
    gates,
    reload_uptime_ms: settings.reloadUptime,
    readiness_timeout_ms: settings.readinessTimeout,
    shutdown_signal: settings.shutdownSignal,
    shutdown_timeout_ms: settings.shutdownTimeout,
    restart: {
      policy: restart.policy,
      initial_ms: restart.initial,
      factor: restart.factor,
      max_ms: restart.max,
      reset_after_ms: restart.resetAfter,
      on_stall: restart.onStall,
    },
    handover: {
      steered: handover.steered,
      preview_from: handover.previewFrom,
      preview_timeout_ms: handover.previewTimeout,
      canary: handover.canary.map(({ percent, for: for_ms }) => ({ percent, for_ms })),
      canary_by: handover.canaryBy,
      soak_ms: handover.soak,
      verify: handover.verify,
      stall_ms: handover.stall,
      settle_ms: handover.settle,
      drain_timeout_ms: handover.drainTimeout,
      max_retiring: handover.maxRetiring,
      handshake_ms: handover.handshake,
    },
    hooks: {
      before_reload_timeout_ms: hooks.beforeReload,
      after_promote_timeout_ms: hooks.afterPromote,
      after_rollback_timeout_ms: hooks.afterRollback,
    },
  };
}

function upgradeStage(stage: Generation['stage']): GenerationDocument['stage'] {
  switch (stage.name) {
    case 'starting':
      return { name: 'starting', deadline_monotonic_ms: stage.deadline };
    case 'retiring': {
      const { name, since, successor, replaced, served, told } = stage;
      const asked_to_stop = told;
      return {
        name,
        since_monotonic_ms: since,
        successor,
        successor_promoted: replaced,
        served,
        asked_to_stop,
      };
    }
    case 'stopping':
      return { name: 'stopping', since_monotonic_ms: stage.since, served: stage.retired };
    default:
      return stage;
  }
}

function upgradeWorker(worker: Worker, settings: Settings): GenerationDocument['workers'][number] {
  const { index, lane, relief, incarnation, attempts, life, leave } = worker;
  // Version 1 recorded deadlines. All of them follow from the end of the last steering change.
  const since = leave && leave.settleAt - settings.handover.settle;
  return {
    worker: index,
    lane,
    rescue: relief,
    incarnation,
    attempts,
    state: upgradeLife(life, [...settings.gates, 'uptime']),
    leaving: since === null ? null : { unreachable_since_monotonic_ms: since },
  };
}

function upgradeLife(
  life: Worker['life'],
  gates: readonly string[],
): GenerationDocument['workers'][number]['state'] {
  switch (life.name) {
    case 'spawning':
      return life;
    case 'up':
      return {
        name: 'up',
        pid: life.pid,
        since_monotonic_ms: life.since,
        gates_passed: gates.filter((gate) => !life.waiting.includes(gate)),
        gates_waiting: life.waiting,
        ready_monotonic_ms: life.readyAt,
        hung: life.hung,
        sigkill_sent: life.killed,
        drains: life.drains,
      };
    case 'backoff':
      return { name: 'backoff', until_monotonic_ms: life.until };
    case 'stopping':
      return {
        name: 'stopping',
        pid: life.pid,
        since_monotonic_ms: life.since,
        deadline_monotonic_ms: life.killAt,
        sigkill_sent: life.killed,
        retry: null,
        signals_refused: null,
      };
    case 'ended':
      return { name: 'ended', exit: life.exit && upgradeExit(life.exit) };
  }
}

function upgradeExit(exit: Exit) {
  if (exit.kind !== 'signaled') return exit;
  return { kind: exit.kind, signal: exit.signal, core_dumped: exit.coreDumped };
}

function upgradeFailure({ exit, ...failure }: Failure) {
  return { ...failure, ...(exit && { exit: upgradeExit(exit) }) };
}

function upgradeHandover({ id, since, incumbent, request, step }: Handover): HandoverDocument {
  return {
    handover: id,
    since_monotonic_ms: since,
    incumbent,
    step: upgradeStep(step),
    request: upgradeRequest(request),
  };
}

function upgradeStep(step: Handover['step']): HandoverDocument['step'] {
  switch (step.name) {
    case 'waiting':
      return { name: 'waiting', settings: upgradeSettings(step.settings) };
    case 'before_reload':
      return { name: 'before_reload', settings: upgradeSettings(step.settings), hook: step.hook };
    case 'preview':
    case 'soak':
      return { name: step.name, candidate: step.candidate, until_monotonic_ms: step.until };
    case 'canary': {
      const { name, candidate, index: canary, until } = step;
      return { name, candidate, canary, until_monotonic_ms: until };
    }
    default:
      return step;
  }
}

/** Version 1 recorded one deadline and one author for all callers. A signal, which has no ticket, expects no answer. */
function upgradeRequest(request: Handover['request']): HandoverDocument['request'] {
  const { by, tickets, since, deadline, preview, rollback } = request;
  const timeout_ms = deadline === null ? null : Math.max(0, deadline - since);
  const ids = tickets.length === 0 ? [null] : tickets;
  const callers = ids.map((id) => ({ by, id, timeout_ms, deadline_monotonic_ms: deadline }));
  return { preview, rollback, since_monotonic_ms: since, callers };
}

function upgradeHook({ run, timeout, running }: Hook): Document['hooks'][number] {
  const { of, ...others } = run;
  return {
    ...others,
    config:
      'generation' in of
        ? { of: 'generation', generation: of.generation }
        : { of: 'handover', handover: of.handover },
    timeout_ms: timeout,
    running: running && {
      since_monotonic_ms: running.since,
      until_monotonic_ms: running.until,
      sigkill_sent: running.killed,
    },
  };
}

/** Version 1 recorded a verdict with the hook that it waits for, and no callers. */
function owedVerdicts({ run, verdict: owed }: Hook): OwedDocument[] {
  if (owed === null) return [];
  const { duration, failure, hook, ...verdict } = owed.verdict;
  const by = 'an unknown caller';
  return [
    {
      ...verdict,
      callers: owed.tickets.map((id) => ({ by, id, timeout_ms: null, deadline_monotonic_ms: null })),
      duration_ms: duration,
      failure: failure && upgradeFailure(failure),
      hook_failure: hook ? upgradeFailure(hook) : null,
      waits_for_hook: run.hook,
      waits_for_generation: null,
    },
  ];
}

function upgradeSteering({ demands: { steering } }: State): Document['steering']['wanted'] {
  if (steering === null) return null;
  const { previewFrom, ...others } = steering;
  return { ...others, preview_from: previewFrom };
}

/** Version 1 recorded the lanes that the kernel steers to only as part of the steering. */
function upgradeLanes(state: State): Document['lanes'] {
  const { main, canary, preview } = state.demands.steering ?? { main: [], canary: null, preview: null };
  const reached = new Set([...main, ...(canary?.lanes ?? []), ...(preview ?? [])]);
  return state.lanes.map(({ awayAt, waiting: connections_waiting }, lane) => {
    if (reached.has(lane)) return { state: 'reached', connections_waiting };
    if (awayAt === null) return { state: 'unused', connections_waiting };
    return { state: 'away', since_monotonic_ms: awayAt, connections_waiting };
  });
}

type Address = version1.Document['listeners'][number]['address'];

function upgradeAddress(address: Address): Document['listeners'][number]['address'] {
  if (address.family === 'unix') return address;
  const { scopeId, ...others } = address;
  return { ...others, ...(scopeId !== undefined && { scope_id: scopeId }) };
}
