import assert from 'node:assert/strict';
import type { Effect } from '../../src/lifecycle/effects.ts';
import { generationOf, workerOf } from '../../src/lifecycle/state.ts';
import { KILL_TIME } from '../../src/lifecycle/stopping.ts';
import { nameOf, type Step } from './books.ts';
import type { World } from './world.ts';

/** The longest pause between two attempts of a failing step. */
const MAX_PAUSE = 10_000;

/** Every refusal of the kernel is reported and retried, and never blocks anything without end. */
export function failuresAreHandled(world: World, step: Step): void {
  refusedSignalsAreReported(world, step);
  failedStepsAreAttemptedAgain(world);
  stopsEnd(world);
}

/** A worker that zero may not signal is reported. */
function refusedSignalsAreReported({ books }: World, { before, event }: Step): void {
  if (event.type !== 'failed' || event.failure.errno !== 'EPERM') return;
  const { effect } = event;
  if (effect.type !== 'signal' && effect.type !== 'kill') return;
  const life = workerOf(before, effect)?.worker.life.name;
  if (life !== 'up' && life !== 'stopping') return;
  assert.ok(
    books.notStoppable.has(nameOf(effect)),
    `worker ${nameOf(effect)} cannot be signalled, in silence`,
  );
}

/** A failed step is followed by another attempt while it is still needed. */
function failedStepsAreAttemptedAgain(world: World): void {
  if (world.exit !== null || world.state.exit !== null) return;
  for (const [name, { effect, since }] of world.books.failing) {
    if (!isWanted(world, effect)) world.books.failing.delete(name);
    else assert.ok(world.clock <= since + MAX_PAUSE, `${name} failed and was not attempted again`);
  }
}

function isWanted({ state, books }: World, effect: Effect): boolean {
  switch (effect.type) {
    case 'signal':
    case 'kill': {
      const life = workerOf(state, effect)?.worker.life;
      const isKilled = effect.type === 'signal' && life?.name === 'stopping' && life.killed;
      return life?.name === 'stopping' && !isKilled && !books.refused.has(nameOf(effect));
    }
    case 'kill_leftovers':
      return (generationOf(state, effect.generation)?.remains ?? []).some(
        ({ worker, incarnation }) => worker === effect.worker && incarnation === effect.incarnation,
      );
    case 'listen_again':
      return generationOf(state, effect.generation) !== undefined;
    case 'steer':
    case 'attend':
    case 'drain':
    case 'watch_stalls':
    case 'watch_memory':
    case 'check_liveness':
    case 'verify':
    case 'prepare_lanes':
    case 'write':
      return true;
    case 'keep_sockets':
      return effect.version === state.sockets;
    default:
      // A step that is attempted only once, e.g. the release of a generation, is reported.
      return false;
  }
}

/** The wait for a worker that was asked to stop ends after its configured time. */
function stopsEnd({ state, clock, books }: World): void {
  for (const { id, workers, settings } of state.generations) {
    if (settings.shutdownTimeout === 0) continue;
    for (const { index, incarnation, life } of workers) {
      if (life.name !== 'stopping') continue;
      const key = nameOf({ generation: id, worker: index, incarnation });
      const askedAt = books.stopping.get(key) ?? clock;
      books.stopping.set(key, askedAt);
      const isLate = clock > askedAt + settings.shutdownTimeout + KILL_TIME;
      assert.ok(!isLate || life.refused !== null, `worker ${key} is waited for without end`);
    }
  }
}

/**
 * Calls whose exceptions are handled by their caller: as a reason in a later report, or as one report of many
 * consecutive failures.
 */
const ABSORBED =
  /in (openProbe|openPidfd|environmentOf|unlink|readConnections|readMemory|listProcesses|queued|watchLane|foreignSockets|boundSockets)$/;

/** The processes of an adopted service are checked with each reading of its connections. */
const ABSORBED_OF_ADOPTED = /in processStat$/;

const STACK = /\n +at /;

/** Every exception is reported once with its stack, or is part of the answer to the failed operation. */
export function exceptionsAreReported({ adopts, books, faults }: World): void {
  const errors = books.facts.filter((fact) => fact.event === 'error');
  const stacks = [
    ...errors.map(({ stack }) => stack ?? ''),
    ...books.reasons.filter((reason) => STACK.test(reason)),
  ];
  for (const stack of stacks)
    assert.ok(
      stack === '' || stack.includes('simulated defect'),
      `a defect that was not simulated: ${stack}`,
    );
  for (const exception of faults.exceptions) {
    const mark = exception.slice(0, exception.indexOf('>') + 1);
    const reports = errors.filter(({ stack }) => stack?.includes(mark));
    assert.ok(reports.length <= 1, `${exception} was reported ${reports.length} times`);
    const isAnswered = reports.length === 1 || books.reasons.some((reason) => reason.includes(mark));
    const isAbsorbed = ABSORBED.test(exception) || (adopts && ABSORBED_OF_ADOPTED.test(exception));
    assert.ok(isAnswered || isAbsorbed, `${exception} was not reported`);
  }
}
