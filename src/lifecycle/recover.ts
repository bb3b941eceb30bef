/*
 * How a supervisor continues from the state of one that has died. Everything with a deadline in the state proceeds:
 * soak, retirement, backoff, callers, hooks, a stop. Exceptions:
 *
 * - workers that have exited meanwhile are handled as any exit, and missing workers whose start was ordered are started
 * - workers that were joining leave again
 * - a handover without a candidate has failed; a candidate that was not promoted is rolled back, except where nothing
 *   else serves
 *
 * Steering and every other demand are sent again. An upgrade in place (`planned`) loses nothing, so its candidate
 * stays.
 */
import { type Context, emit, report } from './context.ts';
import type { Continued, FoundWorker, Of } from './events.ts';
import type { Failure } from './facts.ts';
import { workerEnded } from './failures.ts';
import { isReady, ownWorkers } from './generation.ts';
import { endHandover } from './handover.ts';
import { firstHooks, isKnownHook, onHookFinished } from './hooks.ts';
import { attendedLanes, noteQueue } from './lane.ts';
import { retireWorker } from './membership.ts';
import { noteRecovery } from './notifications.ts';
import { keepRemains } from './remains.ts';
import { candidateOf, generationOf, initialState, mayRestart, type State, workerOf } from './state.ts';
import { renewTime, sendAgain } from './stopping.ts';
import { noteUnheard } from './unheard.ts';
import { conclude } from './verdicts.ts';
import { onExited, onSpawned, spawnWorker } from './worker.ts';

/** The first event of a supervisor that continues from its state. */
export function onContinued(context: Context, event: Of<'continued'>): void {
  const { state } = context;
  const failed = event.workers.map((found) => ({ found, failure: noteFound(context, found) }));
  for (const generation of state.generations)
    for (const worker of generation.workers)
      if (worker.membership === 'joining') retireWorker(context, generation, worker);
  continueHandover(context, event);
  for (const { found, failure } of failed) workerEnded(context, found, failure);
  continueHooks(context, event);
  // Nothing waits for them any more.
  for (const hook of event.hooks) if (!isKnownHook(state, hook)) emit(context, { type: 'kill_hook', hook });
  signalAgain(context, event);
  for (const verdict of event.concluded)
    if (verdict.handover !== null) conclude(context, verdict.handover, [], verdict);
  demandAgain(state);
  noteUnread(state);
  if (event.planned) return;
  for (const generation of state.generations)
    for (const worker of generation.workers) renewTime(state, generation, worker);
  noteUnheard(state);
  noteRecovery(context, event.previous);
}

/** Returns why the exit of a worker is a failure of its generation; undefined where it is none. */
function noteFound(context: Context, found: FoundWorker): Failure | undefined {
  const { state } = context;
  const { generation, worker } = workerOf(state, found) ?? {};
  // zero may have stopped waiting for a process that no signal ends.
  if (!generation || !worker || worker.life.name === 'ended') return undefined;
  const isSpawning = worker.life.name === 'spawning';
  const key = { generation: generation.id, worker: worker.index, incarnation: worker.incarnation };
  if (found.found === 'running') {
    report(context, {
      event: 'worker_adopted',
      generation: key.generation,
      worker: key.worker,
      pid: found.pid,
    });
    if (isSpawning) onSpawned(context, { type: 'spawned', at: state.now, ...key, pid: found.pid });
    return undefined;
  }
  if (isSpawning) {
    // It was not started, or exited before any supervisor recorded it.
    if (found.leftovers > 0) keepRemains(context, generation, key, null);
    worker.life = { name: 'ended', exit: null };
    if (mayRestart(state, generation, worker)) spawnWorker(context, generation, worker);
    return undefined;
  }
  const { exit, leftovers } = found;
  const unknown = { usage: null, output: [], explained: null };
  return onExited(context, { type: 'exited', at: state.now, ...key, exit, leftovers, ...unknown });
}

function continueHandover(context: Context, { previous, planned }: Continued): void {
  const { state } = context;
  const { handover } = state;
  if (!handover) return;
  const candidate = generationOf(state, candidateOf(handover));
  if (!candidate) {
    const reason = `zero (pid ${previous}) was restarted before the handover had a candidate: nothing was changed`;
    endHandover(context, 'failed', { step: 'supervisor', reason });
    return;
  }
  const incumbent = generationOf(state, handover.incumbent);
  // A first start has no generation to roll back to, and a soaking candidate is already promoted.
  if (planned || handover.incumbent === null || handover.step.name === 'soak') return;
  const isAlive = ownWorkers(incumbent).some(({ life }) => life.name === 'up');
  if (!isAlive && isReady(candidate)) return;
  const reason = `zero (pid ${previous}) was restarted before generation ${candidate.id} was promoted`;
  endHandover(context, 'rolled_back', { step: 'supervisor', reason });
}

/** A hook never runs twice. If its process is unknown, its result is unknown, too. */
function continueHooks(context: Context, { hooks, previous }: Continued): void {
  for (const { run, running } of firstHooks(context.state)) {
    if (!running) continue;
    const { hook } = run;
    if (!hooks.includes(hook)) {
      const reason = `zero (pid ${previous}) was restarted while it ran: its exit status is unknown`;
      onHookFinished(context, {
        type: 'hook_finished',
        at: context.state.now,
        hook,
        exit: null,
        reason,
        output: [],
      });
    } else if (running.killed) {
      emit(context, { type: 'kill_hook', hook });
    }
  }
}

/** A signal that is recorded as sent is not sent again, because some programs treat a second one as "stop now". */
function signalAgain(context: Context, { unsent }: Continued): void {
  for (const { signal, ...key } of unsent) {
    const found = workerOf(context.state, key);
    if (found) sendAgain(context, found.generation, found.worker, signal);
  }
}

/** No supervisor has watched the queues without a worker. A late handshake may have completed into one. */
function noteUnread(state: State): void {
  const attended = attendedLanes(state);
  for (const [lane, { state: of }] of state.lanes.entries())
    if (of.name === 'away' && !attended.has(lane)) noteQueue(state, lane, 1);
}

/** The shell has no demand yet, and nothing counts as installed before the kernel confirms it. */
function demandAgain(state: State): void {
  const { steering } = state.demands;
  const { demands } = initialState(state.now);
  delete state.retries.steering;
  // Without an incumbent the steering cannot be derived from the rest of the state.
  const kept = generationOf(state, state.incumbent) ? null : steering;
  state.demands = { ...demands, steering: kept };
  state.change = { number: state.change.number, status: 'failed' };
  if (kept === null) return;
  const failure = { step: 'steer', reason: 'zero was restarted' };
  state.retries.steering = { failure, retry: { at: state.now, attempts: 1 } };
}
