import type { Fact, FactName } from '../lifecycle/facts.ts';
import { exitDocument, failureDocument, rounded, usageDocument } from './parts.ts';

/*
 * The machine-readable document of each event, for the JSON log and the control socket. Names and meanings are a
 * promise (docs/reference/formats.md). So each field is mapped by name, and no field of a fact is published by
 * accident.
 */

type FactOf<N extends FactName> = Extract<Fact, { readonly event: N }>;
type Fields = Readonly<Record<string, unknown>>;

const DOCUMENTS: { readonly [N in FactName]: (fact: FactOf<N>) => Fields } = {
  supervisor_started: ({ name, pid, version, config }) => ({ name, pid, version, config }),
  supervisor_recovered: ({ previous, by, adopted, gone, generations, incumbent, socketsFrom, duration }) => ({
    previous_pid: previous,
    by,
    adopted,
    gone,
    generations,
    incumbent,
    sockets_from: socketsFrom,
    duration_ms: rounded(duration),
  }),
  service_adopted: ({ generation, pid, processes, addresses }) => ({ generation, pid, processes, addresses }),
  supervisor_upgrading: ({ from, to, path, node }) => ({ from, to, path, node }),
  supervisor_upgraded: ({ from, to, duration }) => ({ from, to, duration_ms: rounded(duration) }),
  keeper_started: ({ pid, sockets }) => ({ pid, sockets }),
  keeper_lost: ({ reason }) => ({ reason }),
  state_set_aside: ({ file, reason, damaged }) => ({ file, reason, damaged }),
  worker_adopted: ({ generation, worker, pid }) => ({ generation, worker, pid }),
  output_lost: ({ generation, worker, stream, reason }) => ({ generation, worker, stream, reason }),
  notify_lost: ({ generation, worker, pid }) => ({ generation, worker, pid }),
  listener_bound: ({ listener, address, fd }) => ({ listener, address, fd }),
  listener_closed: ({ listener, address }) => ({ listener, address }),
  service_starting: ({ generation, path, directory, workers }) => ({ generation, path, directory, workers }),
  worker_spawned: ({ generation, worker, pid }) => ({ generation, worker, pid }),
  worker_spawn_failed: ({ generation, worker, step, reason }) => ({ generation, worker, step, reason }),
  gate_passed: ({ generation, worker, gate, after }) => ({
    generation,
    worker,
    gate,
    after_ms: rounded(after),
  }),
  worker_ready: ({ generation, worker, after }) => ({ generation, worker, after_ms: rounded(after) }),
  worker_not_ready: ({ generation, worker, waiting, after }) => ({
    generation,
    worker,
    waiting,
    after_ms: rounded(after),
  }),
  worker_exited: ({ generation, worker, pid, exit, expected, usage, uptime, reason }) => ({
    generation,
    worker,
    pid,
    exit: exitDocument(exit),
    expected,
    usage: usage && usageDocument(usage),
    uptime_ms: rounded(uptime),
    ...(reason !== undefined && { reason }),
  }),
  worker_restarting: ({ generation, worker, delay, attempt }) => ({
    generation,
    worker,
    delay_ms: rounded(delay),
    attempt,
  }),
  crash_loop: ({ generation, worker, restarts, reason }) => ({ generation, worker, restarts, reason }),
  worker_pid_changed: ({ generation, worker, from, pid }) => ({ generation, worker, from, pid }),
  worker_signalled: ({ generation, worker, pid, signal }) => ({ generation, worker, pid, signal }),
  worker_killed: ({ generation, worker, pid, reason }) => ({ generation, worker, pid, reason }),
  worker_not_stoppable: ({ generation, worker, pid, signal, reason }) => ({
    generation,
    worker,
    pid,
    signal,
    reason,
  }),
  leftovers_killed: ({ generation, worker, pids }) => ({ generation, worker, pids }),
  output_dropped: ({ stream, lines, bytes }) => ({ stream, lines, bytes }),
  reload_requested: ({ by, merged, handover }) => ({ by, merged, handover }),
  handover_started: ({ handover, incumbent, by }) => ({ handover, incumbent, by }),
  handover_finished: ({ handover, outcome, generation, incumbent, duration, failure }) => ({
    handover,
    outcome,
    generation,
    incumbent,
    duration_ms: rounded(duration),
    failure: failure && failureDocument(failure),
  }),
  generation_promoted: ({ generation, previous }) => ({ generation, previous }),
  generation_retiring: ({ generation }) => ({ generation }),
  generation_gone: ({ generation, retiredFor, usage }) => ({
    generation,
    retired_for_ms: retiredFor === null ? null : rounded(retiredFor),
    usage: usage && usageDocument(usage),
  }),
  handover_step: ({ handover, step, generation, percent, lasts }) => ({
    handover,
    step,
    generation,
    percent,
    lasts_ms: lasts === null ? null : rounded(lasts),
  }),
  steering_changed: ({ main, canary, preview }) => ({ main, canary, preview }),
  generation_rolled_back: ({ generation, incumbent, failure }) => ({
    generation,
    incumbent,
    failure: failureDocument(failure),
  }),
  release_labelled: ({ generation, label, from }) => ({ generation, label, from }),
  executable_kept: ({ generation, sha256 }) => ({ generation, sha256 }),
  executable_changed: ({ generation, worker, runs, path, reason }) => ({
    generation,
    worker,
    runs,
    path,
    reason,
  }),
  rollback_found: ({ generation, from, path }) => ({ generation, from, path }),
  watching: ({ paths }) => ({ paths }),
  hook_started: ({ hook, generation }) => ({ hook, generation }),
  hook_finished: ({ hook, generation, duration, failure, output }) => ({
    hook,
    generation,
    duration_ms: rounded(duration),
    failure: failure && failureDocument(failure),
    output,
  }),
  handover_mode: ({ mode, reason }) => ({ mode, reason }),
  worker_stalled: ({ generation, worker }) => ({ generation, worker }),
  worker_stall_ended: ({ generation, worker, how }) => ({ generation, worker, how }),
  worker_unhealthy: ({ generation, worker, reason, all }) => ({ generation, worker, reason, all }),
  worker_healthy: ({ generation, worker }) => ({ generation, worker }),
  worker_replacing: ({ generation, worker, replacement, cause, reason }) => ({
    generation,
    worker,
    replacement,
    cause,
    reason,
  }),
  worker_replaced: ({ generation, worker, replacement, cause, after }) => ({
    generation,
    worker,
    replacement,
    cause,
    after_ms: rounded(after),
  }),
  worker_replacement_failed: ({ generation, worker, cause, retryIn, failure }) => ({
    generation,
    worker,
    cause,
    retry_in_ms: rounded(retryIn),
    failure: failureDocument(failure),
  }),
  scale_started: ({ generation, by, from, to }) => ({ generation, by, from, to }),
  scale_finished: ({ generation, from, to, outcome, duration, failure }) => ({
    generation,
    from,
    to,
    outcome,
    duration_ms: rounded(duration),
    failure: failure && failureDocument(failure),
  }),
  idle_connections_ended: ({ generation, worker, connections }) => ({ generation, worker, connections }),
  lane_relieved: ({ generation, worker, lane }) => ({ generation, worker, lane }),
  admin_listening: ({ address }) => ({ address }),
  admin_closed: ({ address }) => ({ address }),
  stop_requested: ({ by, now }) => ({ by, now }),
  supervisor_stopped: ({ code, reason, duration }) => ({ code, reason, duration_ms: rounded(duration) }),
  warning: ({ about, message }) => ({ about, message }),
  error: ({ step, message, subject, errno, stack }) => ({
    step,
    message,
    ...(subject !== undefined && { subject }),
    ...(errno !== undefined && { errno }),
    ...(stack !== undefined && { stack }),
  }),
};

/** The document of a fact: names in snake_case, durations in milliseconds with names that end in `_ms`. */
export function factDocument(fact: Fact): { readonly event: string; readonly [field: string]: unknown } {
  return { event: fact.event, ...fieldsOf(fact) };
}

function fieldsOf<N extends FactName>(fact: FactOf<N>): Fields {
  const map: (fact: FactOf<N>) => Fields = DOCUMENTS[fact.event as N];
  return map(fact);
}
